"""How callers name a function: by name, by partial or full ARN, each with a qualifier or without."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: The pattern of FunctionName in botocore's service model for Lambda, its parts named.
PATTERN: Final = re.compile(
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?"
    r"((?P<region>(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}):)?"
    r"((?P<account>\d{12}):)?"
    r"(function:)?"
    r"(?P<name>[a-zA-Z0-9-_]+)"
    r"(:(?P<qualifier>\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
LATEST: Final = "$LATEST"


class BadName(ValueError):
    """Not a function's name; the message is the one that the caller is told."""


@dataclass(frozen=True, slots=True)
class Name:
    """A function's name and the qualifier that came with it, or an empty string."""

    name: str
    qualifier: str

    @property
    def version(self) -> str:
        """What is executed: here every version and alias is the code in the folder."""
        return self.qualifier if self.qualifier.isdecimal() else LATEST

    def qualify(self, arn: str) -> str:
        """The ARN that the function is told it was invoked by."""
        return f"{arn}:{self.qualifier}" if self.qualifier else arn


def parse(text: str, qualifier: str = "") -> Name:
    """Take a name apart; `qualifier` is the one given beside it, and both must agree."""
    match = PATTERN.fullmatch(text)
    if match is None:
        raise BadName(
            f"1 validation error detected: Value '{text}' at 'functionName' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {PATTERN.pattern}"
        )
    derived = match["qualifier"] or ""
    if derived and qualifier and derived != qualifier:
        raise BadName("The derived qualifier from the function name does not match the specified qualifier.")
    return Name(match["name"], derived or qualifier)
