"""The part of the Lambda API that reads: lists, configurations, states that waiters wait for, URLs, account limits.

Functions come from the command line or a file, so nothing can be changed here: other operations are refused by name.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dispatch import protocol
from runtime.local import addresses
from runtime.local.environments.platform import Platform
from runtime.local.function import FunctionConfig
from runtime.local.web.errors import ApiError
from runtime.local.web.json_response import JSONResponse
from runtime.local.web.request import read_function_name

METHODS: Final = ["GET", "POST", "PUT", "DELETE", "PATCH"]
Describe: TypeAlias = Callable[[Request, FunctionConfig], Any]


class ControlApi:
    """The paths that describe functions."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._started = datetime.now(UTC)

    def routes(self) -> list[Route]:
        """Return the routes; `REFUSALS` has those for every other operation."""
        one = f"{protocol.FUNCTIONS}/{{name}}"
        url = "/2021-10-31/functions/{name}/url"
        return [
            Route(protocol.FUNCTIONS, self.list_functions, methods=["GET"]),
            Route(f"{protocol.FUNCTIONS}/", self.list_functions, methods=["GET"]),
            Route(one, self._about(self._function), methods=["GET"]),
            Route(f"{one}/configuration", self._about(self._configuration), methods=["GET"]),
            Route(f"{one}/versions", self._about(self._versions), methods=["GET"]),
            Route(f"{one}/aliases", self._about(lambda _request, _function: {"Aliases": []}), methods=["GET"]),
            Route(url, self._about(self._url), methods=["GET"]),
            Route(f"{url}s", self._about(self._urls), methods=["GET"]),
            Route(
                "/2019-09-25/functions/{name}/event-invoke-config", self._about(self._invoke_config), methods=["GET"]
            ),
            Route("/2019-09-30/functions/{name}/concurrency", self._about(self._concurrency), methods=["GET"]),
            Route("/2016-08-19/account-settings/", self.account, methods=["GET"]),
            Route("/2016-08-19/account-settings", self.account, methods=["GET"]),
        ]

    def _about(self, describe: Describe) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            return JSONResponse(describe(request, self._find(request)))

        return answer

    def _find(self, request: Request) -> FunctionConfig:
        return self._platform.function(read_function_name(request, self._platform).name)

    async def list_functions(self, _request: Request) -> Response:
        """ListFunctions: all on one page."""
        pools = self._platform.pools.values()
        return JSONResponse({"Functions": [self._configuration(_request, pool.function) for pool in pools]})

    async def account(self, _request: Request) -> Response:
        """GetAccountSettings."""
        limit = sum(pool.function.concurrency for pool in self._platform.pools.values())
        limits = {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": limit, "TotalCodeSize": 80530636800}
        usage = {"FunctionCount": len(self._platform.pools), "TotalCodeSize": 0}
        return JSONResponse({"AccountLimit": limits, "AccountUsage": usage})

    def _configuration(self, _request: Request, function: FunctionConfig) -> dict[str, Any]:
        return {
            "FunctionName": function.name,
            "FunctionArn": function.arn,
            "Runtime": "provided.al2023",
            "Role": f"arn:aws:iam::{function.arn.split(':')[4]}:role/local",
            "Handler": function.handler,
            "CodeSize": 0,
            "CodeSha256": base64.b64encode(hashlib.sha256(os.fsencode(function.folder)).digest()).decode(),
            "Description": function.description,
            "Timeout": max(1, round(function.timeout)),
            "MemorySize": function.memory,
            "LastModified": self._started.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
            "Version": protocol.LATEST,
            "Environment": {"Variables": dict(function.environment)},
            "TracingConfig": {"Mode": "PassThrough"},
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Zip",
            "Architectures": ["x86_64"],
            "EphemeralStorage": {"Size": 512},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": function.log_group},
        }

    def _function(self, request: Request, function: FunctionConfig) -> dict[str, Any]:
        code = {"RepositoryType": "Local", "Location": function.folder.as_uri()}
        return {"Configuration": self._configuration(request, function), "Code": code, "Tags": {}}

    def _versions(self, request: Request, function: FunctionConfig) -> dict[str, Any]:
        return {"Versions": [self._configuration(request, function)]}

    def _url(self, request: Request, function: FunctionConfig) -> dict[str, Any]:
        if function.url is None:
            raise ApiError("ResourceNotFoundException", f"The function {function.name} has no URL")
        host = request.headers.get("host", "localhost")
        return {
            "FunctionUrl": f"http://{host}{addresses.FUNCTION_URL}/{function.name}/",
            "FunctionArn": function.arn,
            "AuthType": "NONE",
            "Cors": dict(function.url.cors),
            "CreationTime": self._started.isoformat(),
            "LastModifiedTime": self._started.isoformat(),
            "InvokeMode": "BUFFERED" if function.url.streaming is False else "RESPONSE_STREAM",
        }

    def _urls(self, request: Request, function: FunctionConfig) -> dict[str, Any]:
        return {"FunctionUrlConfigs": [self._url(request, function)] if function.url else []}

    def _invoke_config(self, _request: Request, function: FunctionConfig) -> dict[str, Any]:
        settings = function.asynchronous
        return {
            "LastModified": self._started.timestamp(),
            "FunctionArn": f"{function.arn}:{protocol.LATEST}",
            "MaximumRetryAttempts": settings.retries,
            "MaximumEventAgeInSeconds": round(settings.maximum_age),
            "DestinationConfig": {"OnFailure": {"Destination": settings.on_failure} if settings.on_failure else {}},
        }

    def _concurrency(self, _request: Request, function: FunctionConfig) -> dict[str, Any]:
        return {"ReservedConcurrentExecutions": 0 if function.throttled else function.concurrency}


async def not_offered(request: Request) -> Response:
    """Refuse an operation that the local platform has no use for."""
    raise ApiError(
        "NotImplementedException",
        f"the local platform does not offer {request.method} {request.scope['path']}: it invokes functions and reads "
        "their settings, which come from the command line or from the file that --config names",
    )


#: The routes after all others.
REFUSALS: Final = (
    Route("/20{rest:path}", not_offered, methods=METHODS),
    # Other services' clients, when AWS_ENDPOINT_URL sends them here too.
    Route("/{rest:path}", not_offered, methods=METHODS[1:]),
)
