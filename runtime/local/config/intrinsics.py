"""CloudFormation's intrinsic functions that need nothing but their arguments.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

from __future__ import annotations

import base64
import ipaddress
import itertools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, Protocol

from runtime.local.config.parameters import Unknown
from runtime.local.config.template_file import TemplateError
from runtime.local.config.values import scalar_text, shown
from runtime.local.function import default_region

#: Characters of one text.
TEXT_LIMIT: Final = 1_000_000
#: The value that removes what has it.
NO_VALUE: Final = Unknown("AWS::NoValue")


class Evaluator(Protocol):
    """Works out the arguments of a function."""

    def value(self, node: Any) -> Any:
        """Return the value of a node."""

    def boolean(self, node: Any) -> bool:
        """Return whether a condition holds."""

    def unknown(self, name: str) -> Unknown:
        """Return the value for what is not known here, and note its name."""


# -- arguments


def arguments(argument: Any, count: int) -> list[Any]:
    """Return a list of so many arguments."""
    if not isinstance(argument, list) or len(argument) != count:
        raise TemplateError(f"needs a list of {count}, not {shown(argument)}")
    return argument


def text(evaluator: Evaluator, node: Any) -> str:
    """Return a node's value as text."""
    value = evaluator.value(node)
    if isinstance(value, dict | list):
        raise TemplateError(f"needs text, not {shown(value)}")
    return "" if value is NO_VALUE else value if isinstance(value, str) else scalar_text(value)


def listed(value: Any) -> list[Any]:
    """Return a list."""
    if not isinstance(value, list):
        raise TemplateError(f"needs a list, not {shown(value)}")
    return value


def joined(separator: str, pieces: Iterable[str]) -> str:
    """Join texts; the result is not known if one of them is not."""
    found = [*pieces]
    if sum(map(len, found)) + len(separator) * len(found) > TEXT_LIMIT:
        raise TemplateError(f"the text has more than {TEXT_LIMIT} characters")
    kind = Unknown if any(isinstance(piece, Unknown) for piece in found) else str
    return kind(separator.join(found))


# -- functions


def join(evaluator: Evaluator, argument: Any) -> str:
    """`Fn::Join`."""
    separator, items = arguments(argument, 2)
    items = evaluator.value(items)
    if isinstance(items, Unknown):
        return items
    return joined(text(evaluator, separator), (text(evaluator, item) for item in listed(items)))


def select(evaluator: Evaluator, argument: Any) -> Any:
    """`Fn::Select`."""
    index, items = map(evaluator.value, arguments(argument, 2))
    for value in (index, items):
        if isinstance(value, Unknown):
            return value
    if isinstance(index, bool) or not re.fullmatch(r"\d{1,9}", scalar_text(index), re.ASCII):
        raise TemplateError(f"the index must be a whole number from 0, not {shown(index)}")
    found = listed(items)
    if int(index) < len(found):
        return found[int(index)]
    for item in found:
        if isinstance(item, Unknown):
            return item
    raise TemplateError(f"the index {index} is beyond a list of length {len(found)}")


def split(evaluator: Evaluator, argument: Any) -> list[str] | Unknown:
    """`Fn::Split`."""
    separator, whole = map(partial(text, evaluator), arguments(argument, 2))
    if not separator:
        raise TemplateError("the delimiter is empty")
    return [type(whole)(piece) for piece in whole.split(separator)]


def equals(evaluator: Evaluator, argument: Any) -> bool:
    """`Fn::Equals`; scalars are compared as text."""
    one, other = map(evaluator.value, arguments(argument, 2))
    if isinstance(one, dict | list) or isinstance(other, dict | list):
        return bool(one == other)
    return scalar_text(one) == scalar_text(other)


def not_(evaluator: Evaluator, argument: Any) -> bool:
    """`Fn::Not`."""
    [condition] = arguments(argument, 1)
    return not evaluator.boolean(condition)


def and_(evaluator: Evaluator, argument: Any) -> bool:
    """`Fn::And`."""
    return all(evaluator.boolean(item) for item in listed(argument))


def or_(evaluator: Evaluator, argument: Any) -> bool:
    """`Fn::Or`."""
    return any(evaluator.boolean(item) for item in listed(argument))


def contains(evaluator: Evaluator, argument: Any) -> bool | str:
    """`Fn::Contains`, in rules: whether a list has a text."""
    texts, wanted = (_texts(evaluator, item) for item in arguments(argument, 2))
    return _of_known([*texts, *wanted], all(item in texts for item in wanted))


def each_equals(evaluator: Evaluator, argument: Any) -> bool | str:
    """`Fn::EachMemberEquals`, in rules: whether every text of a list is the same as another."""
    texts, wanted = (_texts(evaluator, item) for item in arguments(argument, 2))
    return _of_known([*texts, *wanted], all([item] == wanted for item in texts))


def each_in(evaluator: Evaluator, argument: Any) -> bool | str:
    """`Fn::EachMemberIn`, in rules: whether every text of a list is in another."""
    texts, allowed = (_texts(evaluator, item) for item in arguments(argument, 2))
    return _of_known([*texts, *allowed], all(item in allowed for item in texts))


def _texts(evaluator: Evaluator, node: Any) -> list[str]:
    value = evaluator.value(node)
    return [text(evaluator, item) for item in (value if isinstance(value, list) else [value])]


def _of_known(values: list[str], result: bool) -> bool | str:
    """Return the result, or a value that is not known."""
    return next((value for value in values if isinstance(value, Unknown)), result)


def import_value(evaluator: Evaluator, argument: Any) -> str:
    """`Fn::ImportValue`: a value of another stack, which is not known here."""
    return evaluator.unknown(text(evaluator, argument))


def base64_(evaluator: Evaluator, argument: Any) -> str:
    """`Fn::Base64`."""
    plain = text(evaluator, argument)
    return type(plain)(base64.b64encode(plain.encode(errors="surrogatepass")).decode())


def get_azs(evaluator: Evaluator, argument: Any) -> list[str]:
    """`Fn::GetAZs`: three zones of the region."""
    region = text(evaluator, argument) or default_region()
    return [f"{region}{letter}" for letter in "abc"]


def cidr(evaluator: Evaluator, argument: Any) -> list[str] | str:
    """`Fn::Cidr`: the first subnets of an address block."""
    given = [text(evaluator, item) for item in listed(argument)]
    for value in given:
        if isinstance(value, Unknown):
            return value
    block, count, bits = (*given, "8")[:3] if len(given) in {2, 3} else arguments(given, 3)
    if not all(re.fullmatch(r"\d{1,3}", number, re.ASCII) for number in (count, bits)):
        raise TemplateError(f"the count and the bits must be whole numbers, not {count!r} and {bits!r}")
    try:
        network = ipaddress.ip_network(block, strict=False)
        subnets = network.subnets(new_prefix=network.max_prefixlen - int(bits))
        found = [str(one) for one in itertools.islice(subnets, min(int(count), 256))]
    except ValueError as error:
        raise TemplateError(f"{error}") from error
    if len(found) < int(count):
        raise TemplateError(f"{block} has no {count} subnets of {bits} bits, or they are more than 256")
    return found


def length(evaluator: Evaluator, argument: Any) -> Any:
    """`Fn::Length`."""
    items = evaluator.value(argument)
    return items if isinstance(items, Unknown) else len(listed(items))


def to_json(evaluator: Evaluator, argument: Any) -> str:
    """`Fn::ToJsonString`."""
    return joined("", [json.dumps(evaluator.value(argument), separators=(",", ":"), ensure_ascii=False)])


FUNCTIONS: Final[Mapping[str, Callable[[Evaluator, Any], Any]]] = {
    "Fn::And": and_,
    "Fn::Base64": base64_,
    "Fn::Cidr": cidr,
    "Fn::Contains": contains,
    "Fn::EachMemberEquals": each_equals,
    "Fn::EachMemberIn": each_in,
    "Fn::Equals": equals,
    "Fn::GetAZs": get_azs,
    "Fn::ImportValue": import_value,
    "Fn::Join": join,
    "Fn::Length": length,
    "Fn::Not": not_,
    "Fn::Or": or_,
    "Fn::Select": select,
    "Fn::Split": split,
    "Fn::ToJsonString": to_json,
}
