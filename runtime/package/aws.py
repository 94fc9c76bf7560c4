"""Calls of AWS's APIs as values: boto3 makes them, and the equivalent AWS command line shows them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtime.package.errors import PackageError

#: Returns a boto3 client for a service: "lambda" or "s3".
Clients = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class AwsCall:
    """One call of an API.

    Attributes:
        service: "lambda" or "s3".
        operation: as boto3 names it, such as "create_function", or "wait" and the name of a waiter.
        parameters: the call's parameters, without the archive's bytes.
        archive: the archive to upload with the call.
        inside: the parameter that holds the archive's bytes; "" if they are a parameter themselves.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any]
    archive: Path | None = field(default=None)
    inside: str = ""

    def make(self, clients: Clients) -> Any:
        """Make the call and return the answer."""
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
        """The equivalent AWS command line."""
        if self.service == "s3":
            destination = f"s3://{self.parameters['Bucket']}/{self.parameters['Key']}"
            return shlex.join(["aws", "s3", "cp", str(self.archive), destination])
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


def clients(
    region: str | None = None, profile: str | None = None, endpoint: str | None = None, *, patient: bool = True
) -> Clients:
    """A function that returns boto3 clients; where an argument is missing, boto3's own configuration applies.

    Args:
        region: the region.
        profile: the profile of the configuration.
        endpoint: an address to use instead of AWS's.
        patient: whether a call is tried again and may take a minute; otherwise it is tried once, for seconds.

    Raises:
        PackageError: boto3 finds no such profile.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    quick = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1})
    made: dict[str, Any] = {}
    try:
        session = boto3.Session(region_name=region, profile_name=profile)
    except BotoCoreError as error:
        raise PackageError(str(error)) from None

    def client(service: str) -> Any:
        if service not in made:
            try:
                made[service] = session.client(service, endpoint_url=endpoint, config=None if patient else quick)
            except ValueError as error:  # of an endpoint or a number in variables and files, which boto3 does not check
                if isinstance(error, BotoCoreError):
                    raise
                raise PackageError(f"invalid AWS settings: {error}") from None
        return made[service]

    return client
