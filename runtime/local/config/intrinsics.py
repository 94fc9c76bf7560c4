"""CloudFormation's intrinsic functions, as far as their values are known without an account.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

from __future__ import annotations

import base64
import ipaddress
import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from runtime.local.config import for_each, parameters
from runtime.local.config.parameters import Unknown
from runtime.local.config.template_file import VALUES_LIMIT, TemplateError, load, scalar_text
from runtime.local.function import ACCOUNT, default_region

#: Characters of one text.
TEXT_LIMIT: Final = 1_000_000
#: The value that removes what has it.
NO_VALUE: Final = Unknown("AWS::NoValue")
STACK: Final = "local"
#: The last part of a stack's id is a UUID; templates cut it up.
STACK_ID: Final = "51af3dc0-da77-11e4-872e-1234567db123"


class Resolver:
    """Works out the values of one template.

    Attributes:
        unknown: the names of values that are not known here; such a value becomes its own name.
        parameters: the parameters' values.
        files: the files that the template includes.
    """

    def __init__(self, template: Mapping[str, Any], folder: Path, given: Mapping[str, Any]) -> None:
        """Create it for a template in a folder, with the values that are passed for its parameters.

        Raises:
            TemplateError: a value that is passed is not one that the parameter allows.
        """
        self._folder = folder
        self._steps = 0
        self._evaluating: list[str] = []
        self._definitions: dict[str, tuple[Any, Callable[[str], Any]]] = {}
        self.unknown: list[str] = []
        self.files: set[Path] = set()
        self.parameters = parameters.values(section(template, "Parameters"), given)
        self._pseudo = {
            "AWS::Region": default_region(),
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": STACK,
            "AWS::StackId": f"arn:aws:cloudformation:{default_region()}:{ACCOUNT}:stack/{STACK}/{STACK_ID}",
            "AWS::NotificationARNs": [],
            "AWS::NoValue": NO_VALUE,
        }
        self._mappings = section(template, "Mappings")
        self._conditions: Mapping[str, Any] = self.expanded(section(template, "Conditions"))

    def define(self, name: str, ref: Any, attribute: Callable[[str], Any] = lambda _name: None) -> None:
        """Set what `Ref` of a resource gives, and a function that returns an attribute, or None if it is not known."""
        self._definitions[name] = (ref, attribute)

    def value(self, node: Any) -> Any:
        """Return the value of a node, with everything inside it.

        Raises:
            TemplateError: an intrinsic function is used in a way that CloudFormation refuses.
        """
        self._spend(1)
        if isinstance(node, list):
            items = (self.value(item) for item in node)
            return [item for item in items if item is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            key, argument = next(iter(node.items()))
            if key in FUNCTIONS:
                return self._call(key, argument)
            if key == "Condition" and isinstance(argument, str) and argument in self._conditions:
                return self.condition(argument)
            if key.startswith("Fn::") and not key.startswith(for_each.PREFIX):
                return self._unknown(key)
        items = ((key, self.value(item)) for key, item in self.expanded(node).items())
        return {key: item for key, item in items if item is not NO_VALUE}

    def _call(self, name: str, argument: Any) -> Any:
        try:
            return FUNCTIONS[name](self, argument)
        except TemplateError as error:
            raise TemplateError(f"{name}: {error}") from error

    def expanded(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        """Return a mapping with what its `Fn::ForEach` and `Fn::Transform` stand for."""
        if not any(key.startswith(for_each.PREFIX) or key == "Fn::Transform" for key in mapping):
            return dict(mapping)
        found: dict[str, Any] = {}
        for key, item in mapping.items():
            if key.startswith(for_each.PREFIX):
                for part in for_each.expand(key, item, self.value, self._spend):
                    found |= self.expanded(part)
            elif key == "Fn::Transform":
                included = self.include(item)
                found |= included if isinstance(included, dict) else {}
            else:
                found[key] = item
        return found

    def _spend(self, values: int) -> None:
        """Count values that are evaluated or made; a short template can ask for a great many."""
        self._steps += values
        if self._steps > VALUES_LIMIT:
            raise TemplateError(f"there are more than {VALUES_LIMIT} values to evaluate")

    def condition(self, name: str) -> bool:
        """Return whether a condition of the template holds."""
        if name not in self._conditions:
            raise TemplateError(
                f"unknown condition {name!r}; known conditions: {', '.join(self._conditions) or 'none'}"
            )
        if name in self._evaluating:
            raise TemplateError(f"the condition {name} depends on itself")
        self._evaluating.append(name)
        try:
            return self._boolean(self._conditions[name])
        finally:
            self._evaluating.remove(name)

    # -- the functions

    def ref(self, argument: Any) -> Any:
        """`Ref`: a parameter, a pseudo parameter, or a resource's name."""
        name = self._name(argument)
        for known in (self._pseudo, self.parameters):
            if name in known:
                value = known[name]
                return self._unknown(value) if isinstance(value, Unknown) and value is not NO_VALUE else value
        return self._definitions[name][0] if name in self._definitions else self._unknown(name)

    def get_att(self, argument: Any) -> Any:
        """`Fn::GetAtt`: an attribute of a resource, else a name."""
        parts = argument if isinstance(argument, list) else self._name(argument).split(".", 1)
        resource, attribute = (self._text(part) for part in self._arguments(parts, 2))
        if resource in self._definitions:
            found = self._definitions[resource][1](attribute)
            if found is not None:
                return found
        return self._unknown(f"{resource}.{attribute}")

    def sub(self, argument: Any) -> str:
        """`Fn::Sub`, with a mapping or without."""
        template, more = self._arguments(argument, 2) if isinstance(argument, list) else (argument, {})
        if not isinstance(more, dict):
            raise TemplateError(f"the variables must be a mapping, not {shown(more)}")
        pieces = []
        for literal, name in _pieces(self._text(template)):
            pieces.append(literal)
            if name in more:
                pieces.append(self._text(more[name]))
            elif name:
                pieces.append(self._text(self.get_att(name) if "." in name else self.ref(name)))
        return _joined("", pieces)

    def join(self, argument: Any) -> str:
        """`Fn::Join`."""
        separator, items = self._arguments(argument, 2)
        items = self.value(items)
        return items if isinstance(items, Unknown) else _joined(self._text(separator), map(self._text, _list(items)))

    def select(self, argument: Any) -> Any:
        """`Fn::Select`."""
        index, items = map(self.value, self._arguments(argument, 2))
        for value in (index, items):
            if isinstance(value, Unknown):
                return value
        if isinstance(index, bool) or not re.fullmatch(r"\d{1,9}", scalar_text(index), re.ASCII):
            raise TemplateError(f"the index must be a whole number from 0, not {shown(index)}")
        found = _list(items)
        if int(index) < len(found):
            return found[int(index)]
        for item in found:
            if isinstance(item, Unknown):
                return item
        raise TemplateError(f"the index {index} is beyond a list of length {len(found)}")

    def split(self, argument: Any) -> list[str] | Unknown:
        """`Fn::Split`."""
        separator, text = map(self._text, self._arguments(argument, 2))
        if not separator:
            raise TemplateError("the delimiter is empty")
        return [type(text)(piece) for piece in text.split(separator)]

    def if_(self, argument: Any) -> Any:
        """`Fn::If`; only the value that is chosen is evaluated."""
        condition, then, otherwise = self._arguments(argument, 3)
        return self.value(then if self.condition(self._name(condition)) else otherwise)

    def equals(self, argument: Any) -> bool:
        """`Fn::Equals`; scalars are compared as text."""
        one, other = map(self.value, self._arguments(argument, 2))
        if isinstance(one, dict | list) or isinstance(other, dict | list):
            return bool(one == other)
        return scalar_text(one) == scalar_text(other)

    def not_(self, argument: Any) -> bool:
        """`Fn::Not`."""
        [condition] = self._arguments(argument, 1)
        return not self._boolean(condition)

    def and_(self, argument: Any) -> bool:
        """`Fn::And`."""
        return all(self._boolean(item) for item in _list(argument))

    def or_(self, argument: Any) -> bool:
        """`Fn::Or`."""
        return any(self._boolean(item) for item in _list(argument))

    def find_in_map(self, argument: Any) -> Any:
        """`Fn::FindInMap`; a fourth argument may have a `DefaultValue`."""
        names, more = _list(argument)[:3], _list(argument)[3:]
        keys = [self._text(name) for name in self._arguments(names, 3)]
        found: Any = self._mappings
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if found is None and more and isinstance(more[0], dict) and "DefaultValue" in more[0]:
            found = more[0]["DefaultValue"]
        return self._unknown(".".join(keys)) if found is None else self.value(found)

    def import_value(self, argument: Any) -> str:
        """`Fn::ImportValue`: a value of another stack, which is not known here."""
        return self._unknown(self._text(argument))

    def base64(self, argument: Any) -> str:
        """`Fn::Base64`."""
        text = self._text(argument)
        return type(text)(base64.b64encode(text.encode(errors="surrogatepass")).decode())

    def get_azs(self, argument: Any) -> list[str]:
        """`Fn::GetAZs`: three zones of the region."""
        region = self._text(argument) or default_region()
        return [f"{region}{letter}" for letter in "abc"]

    def cidr(self, argument: Any) -> list[str] | str:
        """`Fn::Cidr`: the first subnets of an address block."""
        given = [self._text(item) for item in _list(argument)]
        for value in given:
            if isinstance(value, Unknown):
                return value
        block, count, bits = (*given, "8")[:3] if len(given) in {2, 3} else self._arguments(given, 3)
        try:
            network = ipaddress.ip_network(block, strict=False)
            subnets = network.subnets(new_prefix=network.max_prefixlen - int(bits))
            found = [str(one) for one in itertools.islice(subnets, min(int(count), 256))]
        except ValueError as error:
            raise TemplateError(f"{error}") from error
        if len(found) < int(count):
            raise TemplateError(f"{block} has no {count} subnets of {bits} bits, or they are more than 256")
        return found

    def length(self, argument: Any) -> Any:
        """`Fn::Length`."""
        items = self.value(argument)
        return items if isinstance(items, Unknown) else len(_list(items))

    def to_json(self, argument: Any) -> str:
        """`Fn::ToJsonString`."""
        return _joined("", [json.dumps(self.value(argument), separators=(",", ":"), ensure_ascii=False)])

    def include(self, argument: Any) -> Any:
        """`Fn::Transform`: `AWS::Include` of a file beside the template; other macros run only in an account."""
        macro = self.value(argument)
        name = macro.get("Name") if isinstance(macro, dict) else None
        details = macro.get("Parameters") if isinstance(macro, dict) else None
        location = details.get("Location") if isinstance(details, dict) else None
        if name != "AWS::Include" or not isinstance(location, str) or location.startswith(("s3://", "https://")):
            return self._unknown(f"Fn::Transform {shown(name)}")
        file = Path(os.path.abspath(self._folder / location))
        if str(file) in self._evaluating:
            raise TemplateError(f"{location} includes itself")
        self.files.add(file)
        self._evaluating.append(str(file))
        try:
            return self.value(load(file))
        finally:
            self._evaluating.pop()

    # -- arguments

    def _arguments(self, argument: Any, count: int) -> list[Any]:
        if not isinstance(argument, list) or len(argument) != count:
            raise TemplateError(f"needs a list of {count}, not {shown(argument)}")
        return argument

    def _text(self, node: Any) -> str:
        value = self.value(node)
        if isinstance(value, dict | list):
            raise TemplateError(f"needs text, not {shown(value)}")
        return "" if value is NO_VALUE else value if isinstance(value, str) else scalar_text(value)

    def _name(self, node: Any) -> str:
        if not isinstance(node, str):
            raise TemplateError(f"needs a name, not {shown(node)}")
        return node

    def _boolean(self, node: Any) -> bool:
        value = self.value(node)
        text = "" if isinstance(value, dict | list) else scalar_text(value)
        if text not in {"true", "false"}:
            raise TemplateError(f"needs a condition, not {shown(value)}")
        return text == "true"

    def _unknown(self, name: str) -> Unknown:
        if name not in self.unknown:
            self.unknown.append(str(name))
        return Unknown(name)


FUNCTIONS: Final[Mapping[str, Callable[[Resolver, Any], Any]]] = {
    "Ref": Resolver.ref,
    "Fn::And": Resolver.and_,
    "Fn::Base64": Resolver.base64,
    "Fn::Cidr": Resolver.cidr,
    "Fn::Equals": Resolver.equals,
    "Fn::FindInMap": Resolver.find_in_map,
    "Fn::GetAZs": Resolver.get_azs,
    "Fn::GetAtt": Resolver.get_att,
    "Fn::If": Resolver.if_,
    "Fn::ImportValue": Resolver.import_value,
    "Fn::Join": Resolver.join,
    "Fn::Length": Resolver.length,
    "Fn::Not": Resolver.not_,
    "Fn::Or": Resolver.or_,
    "Fn::Select": Resolver.select,
    "Fn::Split": Resolver.split,
    "Fn::Sub": Resolver.sub,
    "Fn::ToJsonString": Resolver.to_json,
    "Fn::Transform": Resolver.include,
}


def section(template: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a section of a template, or any other mapping in a mapping; empty if it is anything else."""
    found = template.get(name)
    return found if isinstance(found, dict) else {}


def shown(value: Any) -> str:
    """Return a value for a message, cut if it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TemplateError(f"needs a list, not {shown(value)}")
    return value


def _joined(separator: str, pieces: Iterable[str]) -> str:
    """Join texts; the result is not known if one of them is not."""
    found = [*pieces]
    if sum(map(len, found)) + len(separator) * len(found) > TEXT_LIMIT:
        raise TemplateError(f"the text has more than {TEXT_LIMIT} characters")
    kind = Unknown if any(isinstance(piece, Unknown) for piece in found) else str
    return kind(separator.join(found))


def _pieces(template: str) -> Iterable[tuple[str, str]]:
    """The parts of a text for `Fn::Sub`: literal text, and the name of the variable after it, or an empty text."""
    end = 0
    for match in re.finditer(r"\$\{([^{}]+)\}", template):
        name = match[1].strip()
        literal = template[end : match.start()]
        yield (f"{literal}${{{name[1:]}}}", "") if name.startswith("!") else (literal, name)
        end = match.end()
    yield template[end:], ""
