"""The routes of API Gateway's own resources, as AWS CDK writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from runtime.local.config.description import ANY, DEFAULT, ApiRoute
from runtime.local.config.intrinsics import Resolver, section
from runtime.local.config.properties import Properties
from runtime.local.config.template_file import TemplateError
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
    found = [name for name in functions.values() if isinstance(uri, str) and f"{function_arn(name)}/" in f"{uri}/"]
    return found[0] if found else None


def routes(
    resolver: Resolver, resources: Mapping[str, Mapping[str, Any]], functions: Mapping[str, str]
) -> Iterator[ApiRoute]:
    """Return the routes that lead to functions.

    Raises:
        TemplateError: a property cannot be worked out.
    """
    properties = {name: Properties(resolver, section(resource, "Properties")) for name, resource in resources.items()}
    kinds = {name: resource["Type"] for name, resource in resources.items()}
    stages = {
        properties[name].text(STAGES[kind]): properties[name].text("StageName")
        for name, kind in kinds.items()
        if kind in STAGES
    }
    for name, kind in kinds.items():
        one = properties[name]
        if kind == METHOD:
            function = target(one.inner("Integration").get("Uri"), functions)
            if function is not None:
                api = one.text("RestApiId")
                path = _path(one.text("ResourceId"), properties)
                yield ApiRoute(api, function, one.text("HttpMethod"), path, stages.get(api, "prod"), True, "1.0")
        elif kind == ROUTE:
            integration = properties.get(one.text("Target").rpartition("/")[2])
            function = target(integration.get("IntegrationUri"), functions) if integration else None
            if function is not None and integration is not None:
                api = one.text("ApiId")
                method, _, path = one.text("RouteKey").rpartition(" ")
                payload = integration.text("PayloadFormatVersion", "1.0")
                yield ApiRoute(api, function, method or ANY, path, stages.get(api, DEFAULT), False, payload)


def _path(resource: str, properties: Mapping[str, Properties]) -> str:
    parts: list[str] = []
    while not resource.startswith(ROOT):
        if resource not in properties or len(parts) > DEPTH_LIMIT:
            raise TemplateError(f"the resource {resource} has no path")
        parts.insert(0, properties[resource].text("PathPart"))
        resource = properties[resource].text("ParentId")
    return "/" + "/".join(parts)
