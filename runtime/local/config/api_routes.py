"""The routes of a template's APIs: events of functions, OpenAPI definitions, and the resources of API Gateway."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from runtime.local.config import gateway_resources, template_sources
from runtime.local.config.artifacts import local_path
from runtime.local.config.description import ANY, DEFAULT, ApiRoute
from runtime.local.config.properties import Properties, with_globals
from runtime.local.config.resolver import Resolver
from runtime.local.config.template_file import TemplateError, load, section
from runtime.local.config.values import scalar_text, shown
from runtime.local.function import FunctionSettingError, check_cors

REST, HTTP = "AWS::Serverless::Api", "AWS::Serverless::HttpApi"
#: Events of AWS SAM that are routes: the property that names the API, and the API that there is without one.
EVENTS: Final = {"Api": ("RestApiId", "ServerlessRestApi"), "HttpApi": ("ApiId", "ServerlessHttpApi")}
#: The stage of AWS SAM's own REST API.
REST_STAGE: Final = "Prod"
#: The extension of OpenAPI with which a path leads to a function, and its name for every method.
INTEGRATION: Final = "x-amazon-apigateway-integration"
ANY_METHOD: Final = "X-AMAZON-APIGATEWAY-ANY-METHOD"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", ANY})
PAYLOADS: Final = ("1.0", "2.0")
STAGE: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}|\$default")


@dataclass(slots=True)
class Routes:
    """The routes that were found; `files` are the definitions that were read."""

    found: list[ApiRoute] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: set[Path] = field(default_factory=set)


def read(
    resolver: Resolver,
    template: Mapping[str, Any],
    resources: Mapping[str, Mapping[str, Any]],
    functions: Mapping[str, str],
    folder: Path,
) -> Routes:
    """Return the routes of a template.

    Args:
        resolver: works out the values of the template.
        template: the template.
        resources: its resources that exist.
        functions: the names of the functions that are served, by their logical ids.
        folder: the template's own.
    """
    gateway_resources.define(resolver, resources)
    return _Reader(resolver, template, resources, functions, folder).read()


class _Reader:
    """Collects the routes of one template."""

    def __init__(
        self,
        resolver: Resolver,
        template: Mapping[str, Any],
        resources: Mapping[str, Mapping[str, Any]],
        functions: Mapping[str, str],
        folder: Path,
    ) -> None:
        self._resolver = resolver
        self._template = template
        self._resources = resources
        self._functions = functions
        self._folder = folder
        self._routes = Routes()
        self._others: list[str] = []

    def read(self) -> Routes:
        for logical, name in self._functions.items():
            for event, route in self._events(logical, name):
                self._add(f"{logical}.{event}", route)
        for logical, resource in self._resources.items():
            if resource["Type"] in {REST, HTTP, *gateway_resources.APIS}:
                for route in self._definition(logical, resource):
                    self._add(logical, route)
        gateway = gateway_resources.GatewayRoutes(self._resolver, self._resources, self._functions)
        for route in gateway.read():
            self._add(route.api, route)
        self._routes.notes += gateway.notes
        if self._others:
            self._routes.notes.append(f"events that are not delivered here: {', '.join(self._others)}")
        return self._routes

    def _add(self, source: str, route: ApiRoute) -> None:
        fault = _fault(route)
        if fault:
            self._routes.notes.append(f"{source} is left out: {fault}")
        elif route not in self._routes.found:
            self._routes.found.append(route)

    # -- events of AWS SAM

    def _events(self, logical: str, function: str) -> Iterator[tuple[str, ApiRoute]]:
        resource = self._resources[logical]
        try:
            events = Properties(self._resolver, with_globals(self._template, "Function", resource)).inner("Events")
        except TemplateError as error:
            self._routes.notes.append(f"the events of {logical} are left out: {error}")
            return
        for name in events.raw:
            try:
                event = events.inner(name)
                kind = event.text("Type")
                if kind in EVENTS:
                    yield name, self._event(kind, event.inner("Properties"), function)
                elif event.raw and kind not in template_sources.EVENTS:
                    self._others.append(f"{logical}.{name} ({kind or 'no type'})")
            except FunctionSettingError as error:
                self._routes.notes.append(f"{logical}.{name} is left out: {error}")

    def _event(self, kind: str, event: Properties, function: str) -> ApiRoute:
        reference, default = EVENTS[kind]
        rest = kind == "Api"
        api = event.text(reference, default)
        if event.raw.get("Auth") or self._api(api, rest=rest).raw.get("Auth"):
            note = f"authorizers are not called here, so anyone may call {api}"
            self._routes.notes += [note] if note not in self._routes.notes else []
        method = event.text("Method", "" if rest else ANY).upper()
        payload = "1.0" if rest else event.text("PayloadFormatVersion", "2.0")
        method = ANY if method in {"*", ANY_METHOD} else method
        path = event.text("Path", "" if rest else DEFAULT)
        return ApiRoute(
            api, function, method, path, self._stage(api, rest=rest), rest, payload, self._cors(api, rest=rest)
        )

    def _api(self, api: str, *, rest: bool) -> Properties:
        kind, short = (REST, "Api") if rest else (HTTP, "HttpApi")
        resource = self._resources.get(api, {"Type": kind})
        known = short if resource["Type"] == kind else ""
        return Properties(self._resolver, with_globals(self._template, known, resource))

    def _stage(self, api: str, *, rest: bool) -> str:
        default = REST_STAGE if rest else DEFAULT
        stage = self._api(api, rest=rest).text("StageName", default)
        return stage if STAGE.fullmatch(stage) else default

    def _cors(self, api: str, *, rest: bool) -> dict[str, Any]:
        given = self._api(api, rest=rest).get("Cors" if rest else "CorsConfiguration")
        if given is None or given is False:
            return {}
        rules = (
            {"AllowOrigins": ["*"]} if given is True else {"AllowOrigin": given} if isinstance(given, str) else given
        )
        if not isinstance(rules, dict):
            raise TemplateError(f"its cross-origin rules are not a mapping: {shown(given)}")
        found = {("AllowOrigins" if key == "AllowOrigin" else key): _rule(key, value) for key, value in rules.items()}
        check_cors(found)
        return found

    # -- definitions in OpenAPI

    def _definition(self, logical: str, resource: Mapping[str, Any]) -> Iterator[ApiRoute]:
        rest = resource["Type"] in {REST, gateway_resources.REST}
        try:
            document = self._document(self._api(logical, rest=rest))
            paths = section(document, "paths") if isinstance(document, dict) else {}
            stage, cors = self._stage(logical, rest=rest), self._cors(logical, rest=rest)
        except FunctionSettingError as error:
            self._routes.notes.append(f"the definition of {logical} is left out: {error}")
            return
        for path, operations in paths.items():
            for method, operation in (operations if isinstance(operations, dict) else {}).items():
                integration = section(operation, INTEGRATION) if isinstance(operation, dict) else {}
                function = gateway_resources.target(integration.get("uri"), self._functions)
                if function is not None:
                    verb = ANY if method.upper() == ANY_METHOD else method.upper()
                    payload = "1.0" if rest else scalar_text(integration.get("payloadFormatVersion")) or "2.0"
                    yield ApiRoute(logical, function, verb, path, stage, rest, payload, cors)

    def _document(self, api: Properties) -> Any:
        for name in ("DefinitionBody", "Body"):
            if api.raw.get(name) is not None:
                return api.mapping(name)
        uri = api.get("DefinitionUri")
        if not isinstance(uri, str) or "://" in uri:
            return {}
        file = local_path(uri, self._folder)
        self._routes.files.add(file)
        return self._resolver.value(load(file))


def _fault(route: ApiRoute) -> str:
    """Why API Gateway would refuse a route; empty if it would not."""
    if route.method not in METHODS:
        return f"its Method must be one of {', '.join(sorted(METHODS))}, not {shown(route.method)}"
    if not (route.path.startswith("/") or (route.path == DEFAULT and not route.rest)):
        return f"its Path must begin with '/', not be {shown(route.path)}"
    if route.payload not in PAYLOADS:
        return f"its PayloadFormatVersion must be {' or '.join(PAYLOADS)}, not {shown(route.payload)}"
    return ""


def _rule(key: str, value: Any) -> Any:
    """Return a rule as a function URL has it: REST APIs have text in quotes, `"'GET,POST'"`."""
    if key == "AllowCredentials" and isinstance(value, str):
        return value == "true"
    if not isinstance(value, str):
        return value
    text = value.strip().strip("'")
    if key == "MaxAge":
        return int(text) if text.isdecimal() else text
    return [item.strip() for item in text.split(",")]
