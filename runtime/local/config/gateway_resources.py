"""The routes of API Gateway's own resources, as AWS CDK writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from runtime.local.config.description import ANY, DEFAULT, ApiRoute
from runtime.local.config.properties import Properties
from runtime.local.config.resolver import Resolver
from runtime.local.config.template_file import TemplateError, section
from runtime.local.function import function_arn

REST, HTTP = "AWS::ApiGateway::RestApi", "AWS::ApiGatewayV2::Api"
APIS: Final = frozenset({REST, HTTP})
METHOD, ROUTE = "AWS::ApiGateway::Method", "AWS::ApiGatewayV2::Route"
RESOURCE, INTEGRATION = "AWS::ApiGateway::Resource", "AWS::ApiGatewayV2::Integration"
#: Resources that name a stage, with the property that names the API.
STAGES: Final = {"AWS::ApiGateway::Stage": "RestApiId", "AWS::ApiGatewayV2::Stage": "ApiId"}
#: Resources to which others refer.
REFERRED: Final = frozenset({*APIS, RESOURCE, INTEGRATION, "AWS::Serverless::Api", "AWS::Serverless::HttpApi"})
#: What the id of an API's outermost resource begins with.
ROOT: Final = "root of "
#: How deep a path may be.
DEPTH_LIMIT: Final = 100


def define(resolver: Resolver, resources: Mapping[str, Mapping[str, Any]]) -> None:
    """Let resources refer to each other by their logical ids."""
    for name, resource in resources.items():
        if resource["Type"] in REFERRED:
            ids = {"RootResourceId": ROOT + name, "ResourceId": name, "RestApiId": name, "ApiId": name}
            resolver.define(name, name, ids.get)


def target(uri: Any, functions: Mapping[str, str]) -> str | None:
    """Return the name of the function whose ARN is in the URI of an integration; None if there is none."""
    text = uri if isinstance(uri, str) else ""
    # An alias or a version may follow.
    return next(
        (one for one in functions.values() if re.search(rf"{re.escape(function_arn(one))}([:/]|$)", text)), None
    )


class GatewayRoutes:
    """The routes that lead to functions; `notes` says which ones cannot be worked out."""

    def __init__(
        self, resolver: Resolver, resources: Mapping[str, Mapping[str, Any]], functions: Mapping[str, str]
    ) -> None:
        self._resolver = resolver
        self._resources = resources
        self._functions = functions
        self._stages: dict[str, str] = {}
        self.notes: list[str] = []

    def read(self) -> Iterator[ApiRoute]:
        """Return the routes."""
        for stages in (True, False):
            for name, resource in self._resources.items():
                try:
                    if stages and resource["Type"] in STAGES:
                        stage = self._properties(name)
                        self._stages[stage.text(STAGES[resource["Type"]])] = stage.text("StageName")
                    elif not stages and resource["Type"] in {METHOD, ROUTE}:
                        route = self._method(name) if resource["Type"] == METHOD else self._route(name)
                        if route is not None:
                            yield route
                except TemplateError as error:
                    self.notes.append(f"{name} is left out: {error}")

    def _properties(self, name: str) -> Properties:
        return Properties(self._resolver, section(self._resources.get(name, {}), "Properties"))

    def _method(self, name: str) -> ApiRoute | None:
        method = self._properties(name)
        function = target(method.inner("Integration").get("Uri"), self._functions)
        if function is None:
            return None
        api, path = method.text("RestApiId"), self._path(method.text("ResourceId"))
        stage = self._stages.get(api, "prod")
        return ApiRoute(api, function, method.text("HttpMethod"), path, stage, rest=True, payload="1.0")

    def _route(self, name: str) -> ApiRoute | None:
        route = self._properties(name)
        integration = self._properties(route.text("Target").rpartition("/")[2])
        function = target(integration.get("IntegrationUri"), self._functions)
        if function is None:
            return None
        api = route.text("ApiId")
        method, _, path = route.text("RouteKey").rpartition(" ")
        payload = integration.text("PayloadFormatVersion", "1.0")
        return ApiRoute(api, function, method or ANY, path, self._stages.get(api, DEFAULT), payload=payload)

    def _path(self, resource: str) -> str:
        parts: list[str] = []
        while not resource.startswith(ROOT):
            if resource not in self._resources or len(parts) > DEPTH_LIMIT:
                raise TemplateError(f"the resource {resource} has no path")
            parts.insert(0, self._properties(resource).text("PathPart"))
            resource = self._properties(resource).text("ParentId")
        return "/" + "/".join(parts)
