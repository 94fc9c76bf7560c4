"""What clients read about functions: lists, configurations, states that waiters wait for, URLs, account limits.

Functions come from the command line or a file, so nothing can be changed here: what is not offered is refused by name.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runtime.local.environments.platform import Platform
from runtime.local.function import Function
from runtime.local.function_name import BadName, parse
from runtime.local.web.errors import Refusal

METHODS: Final = ["GET", "POST", "PUT", "DELETE", "PATCH"]
Describe = Callable[[Request, Function], Any]


class ControlApi:
    """The readable part of the Lambda API."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._started = datetime.now(UTC)

    def routes(self) -> list[Route]:
        """The addresses; the last ones take what the Lambda API has and this does not."""
        one = "/2015-03-31/functions/{name}"
        url = "/2021-10-31/functions/{name}/url"
        return [
            Route("/2015-03-31/functions", self.list_functions, methods=["GET"]),
            Route("/2015-03-31/functions/", self.list_functions, methods=["GET"]),
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
            Route("/20{rest:path}", not_offered, methods=METHODS),
            # Other services' clients, when AWS_ENDPOINT_URL sends them here too.
            Route("/{rest:path}", not_offered, methods=METHODS[1:]),
        ]

    def _about(self, describe: Describe) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            return JSONResponse(describe(request, self._find(request)))

        return answer

    def _find(self, request: Request) -> Function:
        try:
            name = parse(request.path_params["name"], request.query_params.get("Qualifier", ""))
        except BadName as error:
            raise Refusal("InvalidParameterValueException", str(error)) from error
        pool = self._platform.pools.get(name.name)
        if pool is None:
            raise Refusal.not_found(name.qualify(self._platform.arn(name.name)))
        return pool.function

    async def list_functions(self, _request: Request) -> Response:
        """ListFunctions; all on one page."""
        pools = self._platform.pools.values()
        return JSONResponse({"Functions": [self._configuration(_request, pool.function) for pool in pools]})

    async def account(self, _request: Request) -> Response:
        """GetAccountSettings."""
        limit = sum(pool.function.concurrency for pool in self._platform.pools.values())
        limits = {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": limit, "TotalCodeSize": 80530636800}
        usage = {"FunctionCount": len(self._platform.pools), "TotalCodeSize": 0}
        return JSONResponse({"AccountLimit": limits, "AccountUsage": usage})

    def _configuration(self, _request: Request, function: Function) -> dict[str, Any]:
        return {
            "FunctionName": function.name,
            "FunctionArn": function.arn,
            "Runtime": "provided.al2023",
            "Role": f"arn:aws:iam::{function.arn.split(':')[4]}:role/local",
            "Handler": function.handler,
            "CodeSize": 0,
            "CodeSha256": base64.b64encode(hashlib.sha256(str(function.root).encode()).digest()).decode(),
            "Description": function.description,
            "Timeout": max(1, round(function.timeout)),
            "MemorySize": function.memory,
            "LastModified": self._started.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
            "Version": "$LATEST",
            "Environment": {"Variables": dict(function.environment)},
            "TracingConfig": {"Mode": "PassThrough"},
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Zip",
            "Architectures": ["x86_64"],
            "EphemeralStorage": {"Size": 512},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{function.name}"},
        }

    def _function(self, request: Request, function: Function) -> dict[str, Any]:
        code = {"RepositoryType": "Local", "Location": function.root.as_uri()}
        return {"Configuration": self._configuration(request, function), "Code": code, "Tags": {}}

    def _versions(self, request: Request, function: Function) -> dict[str, Any]:
        return {"Versions": [self._configuration(request, function)]}

    def _url(self, request: Request, function: Function) -> dict[str, Any]:
        if function.url is None:
            raise Refusal("ResourceNotFoundException", f"The function {function.name} has no URL")
        return {
            "FunctionUrl": f"http://{request.headers.get('host', 'localhost')}/lambda-url/{function.name}/",
            "FunctionArn": function.arn,
            "AuthType": "NONE",
            "Cors": dict(function.url.cors),
            "CreationTime": self._started.isoformat(),
            "LastModifiedTime": self._started.isoformat(),
            "InvokeMode": "BUFFERED" if function.url.streaming is False else "RESPONSE_STREAM",
        }

    def _urls(self, request: Request, function: Function) -> dict[str, Any]:
        return {"FunctionUrlConfigs": [self._url(request, function)] if function.url else []}

    def _invoke_config(self, _request: Request, function: Function) -> dict[str, Any]:
        settings = function.asynchronous
        return {
            "LastModified": self._started.timestamp(),
            "FunctionArn": f"{function.arn}:$LATEST",
            "MaximumRetryAttempts": settings.retries,
            "MaximumEventAgeInSeconds": round(settings.maximum_age),
            "DestinationConfig": {"OnFailure": {"Destination": settings.on_failure} if settings.on_failure else {}},
        }

    def _concurrency(self, _request: Request, function: Function) -> dict[str, Any]:
        return {"ReservedConcurrentExecutions": function.concurrency}


async def not_offered(request: Request) -> Response:
    """An operation of the Lambda API that a laptop has no use for."""
    raise Refusal(
        "NotImplementedException",
        f"the local platform does not offer {request.method} {request.url.path}: it invokes functions and tells their "
        "settings, which come from the command line or from the file that --config names",
    )
