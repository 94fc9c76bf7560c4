"""The part of the Lambda API that connects queues with functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dispatch import protocol
from runtime.local.environments.platform import Platform
from runtime.local.source import BadMapping
from runtime.local.sources.event_sources import EventSources, made
from runtime.local.sources.mapping import EventSourceMapping
from runtime.local.values import parse_json
from runtime.local.web.errors import ApiError
from runtime.local.web.json_response import JSONResponse
from runtime.local.web.request import find_function, read_payload

PATH: Final = "/2015-03-31/event-source-mappings"
#: The parameters that are understood, with their types; another one is refused: it would change what happens.
KNOWN: Final[Mapping[str, type]] = {
    "EventSourceArn": str,
    "FunctionName": str,
    "BatchSize": int,
    "MaximumBatchingWindowInSeconds": int,
    "FunctionResponseTypes": list,
    "FilterCriteria": dict,
    "ScalingConfig": dict,
    "Enabled": bool,
    "Tags": dict,
}


class EventSourcesApi:
    """The operations on event source mappings."""

    def __init__(self, platform: Platform, sources: EventSources) -> None:
        self._platform = platform
        self._sources = sources

    def routes(self) -> list[Route]:
        """Return the routes."""
        one = f"{PATH}/{{id}}"
        return [
            *(Route(path, self.create, methods=["POST"]) for path in (PATH, f"{PATH}/")),
            *(Route(path, self.list_mappings, methods=["GET"]) for path in (PATH, f"{PATH}/")),
            Route(one, self.get, methods=["GET"]),
            Route(one, self.update, methods=["PUT"]),
            Route(one, self.delete, methods=["DELETE"]),
        ]

    async def create(self, request: Request) -> Response:
        """CreateEventSourceMapping."""
        fields = await self._fields(request)
        arn, function = fields.get("EventSourceArn", ""), self._function(fields.get("FunctionName", ""))
        same = [each.id for each in self._sources.mappings.values() if (function, arn) == each.key]
        if same:
            reason = (
                f'An event source mapping with SQS arn (" {arn} ") and function (" {function} ") already exists. '
                f"Please update or delete the existing mapping with UUID {same[0]}"
            )
            raise ApiError("ResourceConflictException", reason)
        with refusing():
            mapping = EventSourceMapping(made(arn, fields), function, fields.get("Enabled", True))
            self._sources.put(mapping)
        return JSONResponse(self._described(self._sources.mappings[mapping.id]), 202)

    async def list_mappings(self, request: Request) -> Response:
        """ListEventSourceMappings: all on one page."""
        query = request.query_params
        function = self._function(query["FunctionName"]) if "FunctionName" in query else None
        found = [
            mapping
            for mapping in self._sources.mappings.values()
            if function in {None, mapping.function} and query.get("EventSourceArn") in {None, mapping.source.arn}
        ]
        return JSONResponse({"EventSourceMappings": [self._described(mapping) for mapping in found]})

    async def get(self, request: Request) -> Response:
        """GetEventSourceMapping."""
        return JSONResponse(self._described(self._find(request)))

    async def update(self, request: Request) -> Response:
        """UpdateEventSourceMapping."""
        mapping, fields = self._find(request), await self._fields(request)
        function = self._function(fields["FunctionName"]) if "FunctionName" in fields else mapping.function
        settings = fields.keys() - {"Enabled", "FunctionName"}
        changed = {*settings, *({"FunctionName"} if function != mapping.function else ())}
        if mapping.configured and changed:
            reason = f"the mapping is from the configuration; change {', '.join(sorted(changed))} there"
            raise ApiError("InvalidParameterValueException", reason)
        with refusing():
            source = made(mapping.source.arn, mapping.source.described() | fields) if settings else mapping.source
            enabled = fields.get("Enabled", mapping.enabled)
            self._sources.put(replace(mapping, source=source, function=function, enabled=enabled))
        return JSONResponse(self._described(self._sources.mappings[mapping.id]), 202)

    async def delete(self, request: Request) -> Response:
        """DeleteEventSourceMapping."""
        mapping = self._sources.remove(self._find(request).id)
        return JSONResponse({**self._described(mapping), "State": "Deleting"}, 202)

    async def _fields(self, request: Request) -> dict[str, Any]:
        try:
            fields = parse_json(await read_payload(request, protocol.EVENT_LIMIT))
        except ValueError as error:
            raise ApiError("InvalidRequestContentException", f"the request cannot be read: {error}") from error
        if not isinstance(fields, dict):
            reason = f"the request must be a JSON object, not {type(fields).__name__}"
            raise ApiError("InvalidRequestContentException", reason)
        unknown = sorted(fields.keys() - KNOWN.keys())
        if unknown:
            reason = f"the local platform does not support {', '.join(unknown)}; supported: {', '.join(sorted(KNOWN))}"
            raise ApiError("InvalidParameterValueException", reason)
        for name, value in fields.items():
            if value is not None and type(value) is not KNOWN[name]:
                reason = f"{name} must be of the type {KNOWN[name].__name__}, not {type(value).__name__}"
                raise ApiError("InvalidParameterValueException", reason)
        return {name: value for name, value in fields.items() if value is not None}

    def _function(self, text: str) -> str:
        return find_function(self._platform, text).name

    def _find(self, request: Request) -> EventSourceMapping:
        mapping = self._sources.mappings.get(request.path_params["id"])
        if mapping is None:
            raise ApiError("ResourceNotFoundException", "The resource you requested does not exist.")
        return mapping

    def _described(self, mapping: EventSourceMapping) -> dict[str, Any]:
        return {
            "UUID": mapping.id,
            "EventSourceArn": mapping.source.arn,
            "FunctionArn": self._platform.arn(mapping.function),
            **mapping.source.described(),
            "LastModified": mapping.modified,
            "State": "Enabled" if mapping.enabled else "Disabled",
            "StateTransitionReason": "USER_INITIATED",
        }


@contextmanager
def refusing() -> Iterator[None]:
    """Answer for a mapping that cannot be made."""
    try:
        yield
    except BadMapping as error:
        raise ApiError("InvalidParameterValueException", str(error)) from error
