"""Publishes a layer or a function: plans the calls from the present state of AWS, then makes them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtime.package import archive
from runtime.package.aws import AwsCall, Clients
from runtime.package.errors import PackageError
from runtime.package.progress import OnProgress, no_progress
from runtime.package.target import MAX_ZIPPED

WRAPPER = "/opt/dispatch"
WRAPPER_VARIABLE = "AWS_LAMBDA_EXEC_WRAPPER"
CONVENTION_VARIABLE = "HANDLER_CONVENTION"
#: The longest handler string that Lambda's own setting takes, without blanks; the variable HANDLER takes any and wins.
MAX_HANDLER = 128
#: Lambda's setting when the handler string is in the variable.
_IN_VARIABLE = "in.HANDLER"


class AwsError(PackageError):
    """AWS refuses a call or cannot be reached, or this machine has no region or credentials for it."""


@dataclass(frozen=True, slots=True)
class LayerUpload:
    """A layer version to publish."""

    name: str
    file: Path
    runtimes: Sequence[str]
    arch: str
    description: str = ""
    license: str = ""
    bucket: str = ""


@dataclass(frozen=True, slots=True)
class FunctionUpload:
    """A function to create or update; None and empty values leave a setting as it is.

    The convention is set only if the function has none.
    """

    name: str
    file: Path
    arch: str = ""
    handler: str = ""
    runtime: str = ""
    role: str = ""
    layers: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    convention: str = ""
    timeout: int | None = None
    memory: int | None = None
    description: str = ""
    bucket: str = ""

    @property
    def runs_dispatch(self) -> bool:
        """Whether it starts with our runtime, not with AWS's own; for a new function, whose settings are all here."""
        return bool(self.layers or WRAPPER_VARIABLE in self.environment) or not self.runtime.startswith("python")


@dataclass(frozen=True, slots=True)
class Plan:
    """The calls to make, in order.

    Attributes:
        calls: the calls.
        unchanged: if there are none, the ARN of what is there already.
        unknown: why the present state of AWS is not known, so that the calls are those for something new; "" if it is.
    """

    calls: list[AwsCall]
    unchanged: str = ""
    unknown: str = ""

    @property
    def creates(self) -> bool:
        """Whether a new function is made."""
        return any(call.operation == "create_function" for call in self.calls)

    def carry_out(self, clients: Clients, progress: OnProgress = no_progress) -> list[Any]:
        """Make the calls and return their answers.

        Raises:
            AwsError: a call failed; the calls after it are not made.
        """
        answers = []
        for number, call in enumerate(self.calls):
            progress(call.operation.replace("_", " "), number, len(self.calls))
            with explained():
                answers.append(call.make(clients))
        progress("done", len(self.calls), len(self.calls))
        return answers


def plan_layer(layer: LayerUpload, clients: Clients) -> Plan:
    """The calls that publish a layer; none if its newest version has the same content.

    Raises:
        AwsError: the present state of AWS cannot be found out.
    """
    with explained():
        versions = clients("lambda").list_layer_versions(LayerName=layer.name)["LayerVersions"]
        if versions:
            newest = clients("lambda").get_layer_version(LayerName=layer.name, VersionNumber=versions[0]["Version"])
            if newest["Content"].get("CodeSha256") == digest(layer.file):
                return Plan([], versions[0]["LayerVersionArn"])
    return new_layer(layer)


def new_layer(layer: LayerUpload, unknown: str = "") -> Plan:
    """The calls that publish a layer, whatever there is."""
    parameters = _non_empty(
        LayerName=layer.name,
        Description=layer.description,
        CompatibleRuntimes=list(layer.runtimes),
        CompatibleArchitectures=[layer.arch] if layer.arch else [],
        LicenseInfo=layer.license,
    )
    return Plan(_with_archive("publish_layer_version", parameters, layer, "Content"), unknown=unknown)


def plan_function(function: FunctionUpload, clients: Clients) -> Plan:
    """The calls that create a function, or update what differs, and wait until the function is ready.

    Raises:
        AwsError: the present state of AWS cannot be found out.
        PackageError: a new function lacks a setting.
    """
    with explained():
        client = clients("lambda")
        try:
            there = client.get_function(FunctionName=function.name)["Configuration"]
        except client.exceptions.ResourceNotFoundException:
            return new_function(function)
    return _update(function, there)


def new_function(function: FunctionUpload, unknown: str = "") -> Plan:
    """The calls that create a function, or replace its code where there are settings missing for a new one.

    Raises:
        PackageError: a new function lacks a setting.
    """
    if unknown and _missing(function):
        return Plan(_update(function, {}).calls, unknown=unknown)
    return Plan(_create(function), unknown=unknown)


def _create(function: FunctionUpload) -> list[AwsCall]:
    missing = _missing(function)
    if missing:
        raise PackageError(f"no function {function.name} yet; a new one needs {', '.join(missing)}")
    parameters = {
        "FunctionName": function.name,
        **_configuration(function, {}),
        **({"Architectures": [function.arch]} if function.arch else {}),
    }
    calls = _with_archive("create_function", parameters, function, "Code")
    return [*calls, _wait("function_active_v2", function)]


def _missing(function: FunctionUpload) -> list[str]:
    return [f"--{name}" for name in ("handler", "runtime", "role") if not getattr(function, name)]


def _update(function: FunctionUpload, there: Mapping[str, Any]) -> Plan:
    calls = []
    arch = [function.arch] if function.arch else there.get("Architectures", [])
    if there.get("CodeSha256") != digest(function.file) or arch != there.get("Architectures", arch):
        parameters = _non_empty(FunctionName=function.name, Architectures=arch)
        code = _with_archive("update_function_code", parameters, function, "")
        calls += [*code, _wait("function_updated_v2", function)]
    changed = {
        name: value for name, value in _configuration(function, there).items() if value != _comparable(name, there)
    }
    if changed:
        calls.append(AwsCall("lambda", "update_function_configuration", {"FunctionName": function.name, **changed}))
        calls.append(_wait("function_updated_v2", function))
    return Plan(calls, "" if calls else there["FunctionArn"])


def _configuration(function: FunctionUpload, there: Mapping[str, Any]) -> dict[str, Any]:
    """The settings to make; variables are added to those that the function has."""
    variables = dict(function.environment)
    handler = function.handler
    if handler and (len(handler) > MAX_HANDLER or any(letter.isspace() for letter in handler)):
        variables.setdefault("HANDLER", handler)
        handler = _IN_VARIABLE
    if function.layers and (function.runtime or there.get("Runtime", "")).startswith("python"):
        variables.setdefault(WRAPPER_VARIABLE, WRAPPER)
    kept = dict(there.get("Environment", {}).get("Variables", {}))
    if handler and handler != _IN_VARIABLE:
        # It would win over this handler string.
        kept.pop("HANDLER", None)
    if function.convention and function.runs_dispatch and CONVENTION_VARIABLE not in kept:
        variables.setdefault(CONVENTION_VARIABLE, function.convention)
    changed = variables or kept != there.get("Environment", {}).get("Variables", {})
    return _non_empty(
        Runtime=function.runtime,
        Role=function.role,
        Handler=handler,
        Description=function.description,
        Timeout=function.timeout,
        MemorySize=function.memory,
        Environment={"Variables": {**kept, **variables}} if changed else {},
        Layers=list(function.layers),
    )


def _comparable(name: str, there: Mapping[str, Any]) -> Any:
    if name == "Layers":
        return [layer["Arn"] for layer in there.get("Layers", [])]
    if name == "Environment":
        return {"Variables": there.get("Environment", {}).get("Variables", {})}
    return there.get(name)


def _with_archive(
    operation: str, parameters: dict[str, Any], of: LayerUpload | FunctionUpload, inside: str
) -> list[AwsCall]:
    """The call with the archive, through a bucket if there is one."""
    if not of.bucket:
        size = of.file.stat().st_size
        if size > MAX_ZIPPED:
            weight, limit = archive.megabytes(size), archive.megabytes(MAX_ZIPPED)
            raise PackageError(f"{of.file} has {weight}, above the {limit} limit of a direct upload; pass --bucket")
        return [AwsCall("lambda", operation, parameters, of.file, inside)]
    key = f"{of.name}-{hashlib.sha256(of.file.read_bytes()).hexdigest()[:16]}.zip"
    place = {"S3Bucket": of.bucket, "S3Key": key}
    upload = AwsCall("s3", "upload_file", {"Bucket": of.bucket, "Key": key}, of.file)
    return [upload, AwsCall("lambda", operation, {**parameters, **({inside: place} if inside else place)})]


def _wait(waiter: str, function: FunctionUpload) -> AwsCall:
    return AwsCall("lambda", f"wait {waiter}", {"FunctionName": function.name})


def _non_empty(**parameters: Any) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value not in (None, "", [], {})}


def digest(file: Path) -> str:
    """An archive's digest as Lambda shows it."""
    return base64.b64encode(hashlib.sha256(file.read_bytes()).digest()).decode()


@contextmanager
def explained() -> Iterator[None]:
    """Turn exceptions of boto3 into errors for the user."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, Boto3Error, ClientError) as error:
        raise AwsError(f"AWS: {error}") from error
