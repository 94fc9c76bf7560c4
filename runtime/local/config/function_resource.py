"""One function of a template: its properties as the settings of a local function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from runtime.local.config.artifacts import asset, code_folder
from runtime.local.config.parameters import Unknown
from runtime.local.config.properties import Properties
from runtime.local.config.template_file import TemplateError
from runtime.local.config.values import scalar_text
from runtime.local.function import ON_DEMAND, SNAP_START, AsyncSettings, FunctionConfig, UrlSettings

#: The beginnings of the runtimes that are served.
RUNTIMES: Final = ("python", "provided", "custom")


def read_function(
    name: str,
    resource: Mapping[str, Any],
    properties: Properties,
    *,
    folder: Path,
    defaults: FunctionConfig,
    notes: list[str],
    files: set[Path],
) -> FunctionConfig:
    """Return the function that a resource describes.

    Args:
        name: the function's name.
        resource: the whole resource, for its metadata.
        properties: its properties, completed by the Globals.
        folder: the template's own.
        defaults: the settings that neither a function nor the Globals have.
        notes: gets what the developer should know.
        files: gets the archives that were unpacked.

    Raises:
        FunctionSettingError: it cannot be served.
    """
    runtime = properties.text("Runtime")
    # A function of the managed Python runtime is called with (event, context).
    managed = isinstance(runtime, Unknown) or runtime.startswith("python")
    if runtime and not managed and not runtime.startswith(RUNTIMES):
        raise TemplateError(f"the runtime {runtime} is not served; only python and provided are")
    root = _root(resource, properties, folder, files)
    bootstrap = root / "bootstrap"
    command = (str(bootstrap),) if not managed and bootstrap.is_file() else defaults.command
    handler = properties.text("Handler", defaults.handler)
    if not handler and not command:
        raise TemplateError("it has no Handler")
    throttled = properties.number("ReservedConcurrentExecutions", 1) == 0
    if throttled:
        notes.append("its ReservedConcurrentExecutions is 0, so every event is refused, as on Lambda")
    return replace(
        defaults,
        name=name,
        handler=handler,
        root=root,
        convention="lambda" if managed else defaults.convention,
        command=command,
        environment={**_variables(properties, notes), **defaults.environment},
        timeout=properties.number("Timeout", defaults.timeout),
        memory=properties.number("MemorySize", defaults.memory),
        concurrency=1 if throttled else properties.number("ReservedConcurrentExecutions", defaults.concurrency),
        throttled=throttled,
        description=properties.text("Description"),
        initialization=_initialization(properties),
        url=read_url(properties.inner("FunctionUrlConfig")) if properties.get("FunctionUrlConfig") else None,
        asynchronous=read_asynchronous(properties.inner("EventInvokeConfig")),
    )


def _root(resource: Mapping[str, Any], properties: Properties, folder: Path, files: set[Path]) -> Path:
    if properties.get("PackageType") == "Image" or properties.get("ImageUri"):
        raise TemplateError("its code is an image, not in a local folder")
    inline = properties.get("InlineCode")
    code = {"ZipFile": inline} if isinstance(inline, str) else asset(resource, "Code", "CodeUri")
    for name in ("CodeUri", "Code"):
        code = properties.get(name) if code is None else code
    try:
        return code_folder("." if code is None else code, folder, files)
    except TemplateError as error:
        raise TemplateError(f"its code: {error}") from error


def _variables(properties: Properties, notes: list[str]) -> dict[str, str]:
    """Read the variables. One that cannot be worked out, or is not text, is empty, as with AWS SAM."""
    variables = properties.inner("Environment").inner("Variables")
    found = {}
    for name, raw in variables.raw.items():
        try:
            if raw is None or variables.get(name) is not None:  # not AWS::NoValue
                found[name] = variables.text(name)
        except TemplateError as error:
            found[name] = ""
            notes.append(f"{error}, so the variable is empty")
    return found


def _initialization(properties: Properties) -> str:
    return SNAP_START if properties.mapping("SnapStart").get("ApplyOn") == "PublishedVersions" else ON_DEMAND


def read_url(properties: Properties) -> UrlSettings:
    """Return the settings of a function URL."""
    cors = {name: _of_cors(name, value) for name, value in properties.mapping("Cors").items()}
    return UrlSettings(streaming=properties.get("InvokeMode") == "RESPONSE_STREAM", cors=cors)


def _of_cors(name: str, value: Any) -> Any:
    """Return a cross-origin rule in its own type: a parameter's value is always text."""
    if name == "MaxAge" and isinstance(value, str) and value.isdecimal():
        return int(value)
    if name == "AllowCredentials" and isinstance(value, str):
        return value == "true"
    return value


def read_asynchronous(properties: Properties) -> AsyncSettings:
    """Read retries and destination. Destinations are AWS resources, so only functions among them are served."""
    retries = properties.number("MaximumRetryAttempts", AsyncSettings().retries)
    age = properties.number("MaximumEventAgeInSeconds", float(AsyncSettings().maximum_age))
    failure = properties.inner("DestinationConfig").mapping("OnFailure")
    destination = scalar_text(failure.get("Destination"))
    return AsyncSettings(retries, age, destination if destination.startswith("arn:aws:lambda:") else "")
