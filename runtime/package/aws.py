"""Calls of AWS's APIs as values: to be made with boto3, or shown with the command line that does the same."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtime.package.errors import PackageError

# Makes a boto3 client for a service: "lambda", "s3".
Clients = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        service: "lambda" or "s3".
        operation: boto3's name of it: "create_function"; "wait" followed by a waiter's name.
        parameters: what it takes, without the archive's bytes.
        archive: the archive that goes with it.
        inside: the parameter that the archive's bytes belong into, "" if they are a parameter of their own.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any]
    archive: Path | None = field(default=None)
    inside: str = ""

    def make(self, clients: Clients) -> Any:
        """Make the call."""
        client = clients(self.service)
        if self.operation.startswith("wait "):
            return client.get_waiter(self.operation.removeprefix("wait ")).wait(**self.parameters)
        if self.service == "s3":
            return client.upload_file(str(self.archive), self.parameters["Bucket"], self.parameters["Key"])
        return getattr(client, self.operation)(**self._with_archive())

    def _with_archive(self) -> dict[str, Any]:
        if self.archive is None:
            return dict(self.parameters)
        content = {"ZipFile": self.archive.read_bytes()}
        return {**self.parameters, **({self.inside: content} if self.inside else content)}

    def command_line(self) -> str:
        """The AWS command line that does the same."""
        if self.service == "s3":
            aim = f"s3://{self.parameters['Bucket']}/{self.parameters['Key']}"
            return shlex.join(["aws", "s3", "cp", str(self.archive), aim])
        words = ["aws", self.service, *(_kebab(word) for word in self.operation.split())]
        for name, value in self.parameters.items():
            words += [f"--{_kebab(name)}", *_words(value)]
        if self.archive is not None:
            words += ["--zip-file", f"fileb://{self.archive}"]
        return shlex.join(words)


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_", "-", name).lower()


def _words(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [json.dumps(value)]
    if isinstance(value, list):
        return [str(item) for item in value]
    return [] if value is True else [str(value)]


def clients(region: str | None = None, profile: str | None = None, endpoint: str | None = None) -> Clients:
    """A maker of boto3 clients, with boto3's own configuration where nothing is given.

    Raises:
        PackageError: boto3 is not installed, or there is no such profile.
    """
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
    except ModuleNotFoundError:
        raise PackageError("publishing needs boto3: pip install 'handler-dispatch[aws]'") from None
    made: dict[str, Any] = {}
    try:
        session = boto3.Session(region_name=region, profile_name=profile)
    except BotoCoreError as error:
        raise PackageError(str(error)) from None

    def client(service: str) -> Any:
        if service not in made:
            made[service] = session.client(service, endpoint_url=endpoint)
        return made[service]

    return client
