"""The event sources of a template: events of functions, and event source mappings.

A template names queues of an account. They are polled only where an endpoint for SQS is set: to serve a template must
not take messages from what is real.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from runtime.local.config.parameters import Unknown
from runtime.local.config.properties import Properties, with_globals
from runtime.local.config.resolver import Resolver
from runtime.local.config.template_file import TemplateError, section
from runtime.local.config.values import scalar_text
from runtime.local.function import ACCOUNT, FunctionSettingError, default_region
from runtime.local.function_name import BadFunctionName, FunctionName
from runtime.local.source import BadMapping, Source
from runtime.local.sources.schedule import Schedule
from runtime.local.sources.sqs.settings import ENDPOINTS, FIFO
from runtime.local.sources.sqs.source import Sqs

FUNCTION, MAPPING, QUEUE = "AWS::Serverless::Function", "AWS::Lambda::EventSourceMapping", "AWS::SQS::Queue"
#: The properties with a source's settings, which are named as in Lambda's API.
SETTINGS: Final = (
    "BatchSize",
    "MaximumBatchingWindowInSeconds",
    "FunctionResponseTypes",
    "FilterCriteria",
    "ScalingConfig",
)


@dataclass(slots=True)
class TemplateSources:
    """The sources that were found, by the names of their functions, and notes about the rest."""

    found: dict[str, list[Source]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, place: str, function: str, properties: Properties, read: Callable[[Properties], Source]) -> None:
        """Add the source that these properties describe, unless it is disabled or cannot be polled."""
        try:
            if _is_disabled(properties):
                self.notes.append(f"{place} is not polled: it is disabled")
            else:
                self.found.setdefault(function, []).append(read(properties))
        except (BadMapping, FunctionSettingError) as error:
            self.notes.append(f"{place} is not polled: {error}")


def _is_disabled(properties: Properties) -> bool:
    """Whether a source is not enabled: by the property of events and mappings, or by that of schedules."""
    return scalar_text(properties.get("Enabled")).lower() == "false" or properties.text("State") == "DISABLED"


def endpoint() -> str:
    """Return the endpoint of SQS that is set; empty if there is none."""
    return next((value for name in ENDPOINTS if (value := os.environ.get(name))), "").rstrip("/")


def define(resolver: Resolver, resources: Mapping[str, Mapping[str, Any]]) -> None:
    """Let the template refer to its queues, which are at the endpoint that is set."""
    for logical, resource in resources.items():
        if resource["Type"] != QUEUE or not endpoint():
            continue
        name = _queue_name(logical, Properties(resolver, section(resource, "Properties")))
        url, arn = f"{endpoint()}/{ACCOUNT}/{name}", f"arn:aws:sqs:{default_region()}:{ACCOUNT}:{name}"
        resolver.define(logical, url, {"Arn": arn, "QueueName": name, "QueueUrl": url}.get)


def _queue_name(logical: str, properties: Properties) -> str:
    """Return a queue's own name, else its logical id, which ends as it has to for a FIFO queue."""
    try:
        name = properties.text("QueueName")
        fifo = scalar_text(properties.get("FifoQueue")).lower() == "true"
    except TemplateError:
        return logical
    return name or (f"{logical}{FIFO}" if fifo else logical)


def read(
    resolver: Resolver,
    template: Mapping[str, Any],
    resources: Mapping[str, Mapping[str, Any]],
    functions: Mapping[str, str],
) -> TemplateSources:
    """Return the sources of a template.

    Args:
        resolver: works out the values of the template.
        template: the template.
        resources: its resources that exist.
        functions: the names of the functions that are served, by their logical ids.
    """
    sources = TemplateSources()
    for logical, function in functions.items():
        if resources[logical]["Type"] == FUNCTION:
            for name, kind, event in _events(resolver, template, resources[logical]):
                sources.add(f"{logical}.{name}", function, event, EVENTS[kind])
    for logical, resource in resources.items():
        if resource["Type"] == MAPPING:
            _add_mapping(logical, Properties(resolver, section(resource, "Properties")), functions.values(), sources)
    return sources


def _events(
    resolver: Resolver, template: Mapping[str, Any], resource: Mapping[str, Any]
) -> Iterator[tuple[str, str, Properties]]:
    """The events of a function that are sources: name, type and properties. Routes report those that are unreadable."""
    try:
        events = Properties(resolver, with_globals(template, "Function", resource)).inner("Events")
    except TemplateError:
        return
    for name in events.raw:
        try:
            event = events.inner(name)
            kind, properties = event.text("Type"), event.inner("Properties")
        except TemplateError:
            continue
        if kind in EVENTS:
            yield name, kind, properties


def _add_mapping(logical: str, properties: Properties, functions: Collection[str], sources: TemplateSources) -> None:
    try:
        function = FunctionName.parse(properties.text("FunctionName")).name
    except (FunctionSettingError, BadFunctionName) as error:
        sources.notes.append(f"{logical} is not polled: {error}")
        return
    if function not in functions:
        sources.notes.append(f"{logical} is not polled: its function {function} is not served here")
        return
    sources.add(logical, function, properties, _queue_of_mapping)


def _queue_of_mapping(properties: Properties) -> Source:
    arn = properties.text("EventSourceArn")
    if not isinstance(arn, Unknown) and arn.startswith("arn:") and ":sqs:" not in arn:
        raise TemplateError(f"only SQS queues are polled here, not {arn}")
    return _queue(properties, "EventSourceArn")


def _queue(properties: Properties, name: str = "Queue") -> Source:
    """Return the queue that a property names, with its settings."""
    if not endpoint():
        raise TemplateError(f"a template's queues are polled only if {ENDPOINTS[0]} names the endpoint")
    queue = properties.text(name)
    if isinstance(queue, Unknown) or not queue:
        raise TemplateError(f"its {name} is not known here")
    values = {setting: properties.get(setting) for setting in SETTINGS}
    known = {setting: value for setting, value in values.items() if not isinstance(value, Unknown)}
    return Sqs.from_fields(queue, known)


def _schedule(properties: Properties) -> Source:
    return Schedule(properties.text("Schedule"), properties.text("Input"))


def _scheduler(properties: Properties) -> Source:
    """Return a schedule of EventBridge Scheduler."""
    zone = properties.text("ScheduleExpressionTimezone", "UTC")
    return Schedule(properties.text("ScheduleExpression"), properties.text("Input"), zone)


#: The events of AWS SAM that are sources, by their types, and what reads their properties.
EVENTS: Final[Mapping[str, Callable[[Properties], Source]]] = {
    "SQS": _queue,
    "Schedule": _schedule,
    "ScheduleV2": _scheduler,
}
