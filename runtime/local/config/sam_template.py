"""AWS SAM and CloudFormation templates: the functions that a `template.yaml` describes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from runtime.local.config.intrinsics import Resolver, load
from runtime.local.function import (
    NAME,
    ON_DEMAND,
    SNAP_START,
    AsyncSettings,
    FunctionConfig,
    FunctionSettingError,
    UrlSettings,
)

N = TypeVar("N", int, float)

KINDS: Final = ("AWS::Serverless::Function", "AWS::Lambda::Function")
URL_KIND: Final = "AWS::Lambda::Url"


@dataclass(slots=True)
class Template:
    """What a template describes: its functions, and notes for the developer about the rest."""

    functions: list[FunctionConfig] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read(path: Path, defaults: FunctionConfig) -> Template:
    """Read a template; `defaults` are the settings that neither a function nor the Globals have.

    Raises:
        FunctionSettingError: the file is not a template.
    """
    template = load(path)
    resources = {
        name: item
        for name, item in template["Resources"].items()
        if isinstance(item, dict) and item.get("Type") in KINDS
    }
    arns = {name: replace(defaults, name=_name(name, item)).arn for name, item in resources.items()}
    resolver = Resolver(template, arns)
    found = Template()
    for logical, resource in resources.items():
        properties = resolver.value(_with_globals(template, resource))
        try:
            function = _function(_name(logical, resource), properties, path.parent, defaults)
        except FunctionSettingError as error:
            found.notes.append(f"{logical} is left out: {error}")
        else:
            found.functions.append(
                replace(function, url=function.url or _separate_url(template, resolver, arns, logical))
            )
    if resolver.unknown:
        found.notes.append(f"not known here, so set to their own names: {', '.join(resolver.unknown)}")
    return found


def _name(logical: str, resource: Mapping[str, Any]) -> str:
    given = (resource.get("Properties") or {}).get("FunctionName")
    return given if isinstance(given, str) and NAME.fullmatch(given) else logical


def _with_globals(template: Mapping[str, Any], resource: Mapping[str, Any]) -> dict[str, Any]:
    own = resource.get("Properties") or {}
    shared = (template.get("Globals") or {}).get("Function") or {} if resource["Type"] == KINDS[0] else {}
    merged = {**shared, **own}
    variables = [(source.get("Environment") or {}).get("Variables") or {} for source in (shared, own)]
    merged["Environment"] = {"Variables": {**variables[0], **variables[1]}}
    return merged


def _function(name: str, properties: Mapping[str, Any], folder: Path, defaults: FunctionConfig) -> FunctionConfig:
    runtime = str(properties.get("Runtime", ""))
    managed = runtime.startswith("python")
    root = _root(properties, runtime, folder)
    bootstrap = root / "bootstrap"
    variables = (properties.get("Environment") or {}).get("Variables") or {}
    snap_start = (properties.get("SnapStart") or {}).get("ApplyOn") == "PublishedVersions"
    url = properties.get("FunctionUrlConfig")
    return replace(
        defaults,
        name=name,
        handler=str(properties.get("Handler", defaults.handler)),
        root=root,
        # A function of the managed Python runtime is called with (event, context).
        convention="lambda" if managed else defaults.convention,
        command=(str(bootstrap),) if not managed and bootstrap.is_file() else defaults.command,
        environment={**{key: str(value) for key, value in variables.items()}, **defaults.environment},
        timeout=_number(properties, "Timeout", defaults.timeout),
        memory=_number(properties, "MemorySize", defaults.memory),
        concurrency=_number(properties, "ReservedConcurrentExecutions", defaults.concurrency),
        description=str(properties.get("Description", "")),
        initialization=SNAP_START if snap_start else ON_DEMAND,
        url=_url(url) if url else None,
        asynchronous=_asynchronous(properties.get("EventInvokeConfig") or {}),
    )


def _root(properties: Mapping[str, Any], runtime: str, folder: Path) -> Path:
    """Return the folder with the function's code."""
    code = properties.get("CodeUri") or properties.get("Code") or "."
    if properties.get("PackageType") == "Image" or not isinstance(code, str):
        raise FunctionSettingError("its code is not in a local folder")
    if properties.get("InlineCode"):
        raise FunctionSettingError("its code is InlineCode, not in a local folder")
    if runtime and not runtime.startswith(("python", "provided", "custom")):
        raise FunctionSettingError(f"the runtime {runtime} is not served; only python and provided are")
    return (folder / code).resolve()


def _number(properties: Mapping[str, Any], name: str, default: N) -> N:
    value = properties.get(name)
    try:
        return default if value is None else type(default)(value)
    except (TypeError, ValueError):
        raise FunctionSettingError(f"its {name} is not a number: {value!r}") from None


def _url(settings: Mapping[str, Any]) -> UrlSettings:
    cors = settings.get("Cors") or {}
    return UrlSettings(streaming=settings.get("InvokeMode") == "RESPONSE_STREAM", cors=cors)


def _separate_url(
    template: Mapping[str, Any], resolver: Resolver, arns: Mapping[str, str], logical: str
) -> UrlSettings | None:
    for resource in template["Resources"].values():
        if resource.get("Type") == URL_KIND:
            properties = resolver.value(resource.get("Properties") or {})
            if properties.get("TargetFunctionArn") in {arns[logical], arns[logical].rsplit(":", 1)[1]}:
                return _url(properties)
    return None


def _asynchronous(settings: Mapping[str, Any]) -> AsyncSettings:
    """Read retries and destination. Destinations are AWS resources, so only functions among them are served."""
    retries = _number(settings, "MaximumRetryAttempts", AsyncSettings().retries)
    age = _number(settings, "MaximumEventAgeInSeconds", float(AsyncSettings().maximum_age))
    destination = ((settings.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination", "")
    served = destination if str(destination).startswith("arn:aws:lambda:") else ""
    return AsyncSettings(retries, age, served)
