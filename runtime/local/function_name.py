"""How callers name a function: by its name, by a partial or a full ARN, each with or without a qualifier."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from dispatch.protocol import LATEST

#: The pattern of Qualifier in botocore's service model for Lambda.
QUALIFIER: Final = re.compile(r"[a-zA-Z0-9$_-]{0,128}")
#: The pattern of FunctionName in botocore's service model for Lambda, its parts named.
PATTERN: Final = re.compile(
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?"
    r"((?P<region>(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}):)?"
    r"((?P<account>\d{12}):)?"
    r"(function:)?"
    r"(?P<name>[a-zA-Z0-9-_]+)"
    r"(:(?P<qualifier>\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?",
    re.ASCII,
)


class BadFunctionName(ValueError):
    """Not a function's name; the message is worded as AWS words it."""


@dataclass(frozen=True, slots=True)
class FunctionName:
    """A function's name, and the qualifier that came with it or an empty string."""

    name: str
    qualifier: str

    @classmethod
    @lru_cache(maxsize=64)
    def parse(cls, text: str, qualifier: str = "") -> FunctionName:
        """Take a name or an ARN apart; `qualifier` is the one that was passed beside it.

        Raises:
            BadFunctionName: the text is neither, or names another qualifier, or the qualifier cannot be one.
        """
        match = PATTERN.fullmatch(text)
        if match is None:
            raise _mismatch(text, "functionName", PATTERN)
        if not QUALIFIER.fullmatch(qualifier):
            raise _mismatch(qualifier, "qualifier", QUALIFIER)
        derived = match["qualifier"] or ""
        if derived and qualifier and derived != qualifier:
            raise BadFunctionName(
                "The derived qualifier from the function name does not match the specified qualifier."
            )
        return cls(match["name"], derived or qualifier)

    @property
    def version(self) -> str:
        """The version that is executed; here every version and alias is the code in the folder."""
        return self.qualifier if self.qualifier.isdecimal() else LATEST

    def qualify(self, arn: str) -> str:
        """Return the ARN by which the function was invoked."""
        return f"{arn}:{self.qualifier}" if self.qualifier else arn


def _mismatch(text: str, member: str, pattern: re.Pattern[str]) -> BadFunctionName:
    return BadFunctionName(
        f"1 validation error detected: Value '{text}' at '{member}' failed to satisfy constraint: "
        f"Member must satisfy regular expression pattern: {pattern.pattern}"
    )
