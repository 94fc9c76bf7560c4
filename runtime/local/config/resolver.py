"""Works out the values of a template, as far as they are known without an account."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from runtime.local.config import for_each, intrinsics, parameters
from runtime.local.config.intrinsics import NO_VALUE, arguments, joined, listed, text
from runtime.local.config.parameters import Unknown
from runtime.local.config.template_file import VALUES_LIMIT, TemplateError, load, section
from runtime.local.config.values import scalar_text, shown
from runtime.local.function import ACCOUNT, default_region

#: The beginning of a dynamic reference, to a secret or to a parameter of another service.
DYNAMIC: Final = "{{resolve:"
STACK: Final = "local"
#: The last part of a stack's id is a UUID; templates cut it up.
STACK_ID: Final = "51af3dc0-da77-11e4-872e-1234567db123"


class Resolver:
    """Works out the values of one template.

    Attributes:
        unknown_names: the names of values that are not known here; such a value becomes its own name.
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
        self.unknown_names: list[str] = []
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
            return self.unknown(node) if isinstance(node, str) and DYNAMIC in node else node
        if len(node) == 1:
            key, argument = next(iter(node.items()))
            if key in FUNCTIONS:
                return self._call(key, argument)
            if key == "Condition" and isinstance(argument, str) and argument in self._conditions:
                return self.condition(argument)
            if key.startswith("Fn::") and not key.startswith(for_each.PREFIX):
                return self.unknown(key)
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
            return self.boolean(self._conditions[name])
        finally:
            self._evaluating.remove(name)

    # -- the functions

    def ref(self, argument: Any) -> Any:
        """`Ref`: a parameter, a pseudo parameter, or a resource's name."""
        name = self._name(argument)
        for known in (self._pseudo, self.parameters):
            if name in known:
                value = known[name]
                return self.unknown(value) if isinstance(value, Unknown) and value is not NO_VALUE else value
        return self._definitions[name][0] if name in self._definitions else self.unknown(name)

    def get_att(self, argument: Any) -> Any:
        """`Fn::GetAtt`: an attribute of a resource, else a name."""
        parts = argument if isinstance(argument, list) else self._name(argument).split(".", 1)
        if len(parts) != 2:
            raise TemplateError(f"needs a resource and an attribute, like Function.Arn, not {shown(argument)}")
        resource, attribute = (text(self, part) for part in parts)
        if resource in self._definitions:
            found = self._definitions[resource][1](attribute)
            if found is not None:
                return found
        return self.unknown(f"{resource}.{attribute}")

    def sub(self, argument: Any) -> str:
        """`Fn::Sub`, with a mapping or without."""
        template, more = arguments(argument, 2) if isinstance(argument, list) else (argument, {})
        if not isinstance(more, dict):
            raise TemplateError(f"the variables must be a mapping, not {shown(more)}")
        pieces = []
        for literal, name in _pieces(text(self, template)):
            pieces.append(literal)
            if name in more:
                pieces.append(text(self, more[name]))
            elif name:
                pieces.append(text(self, self.get_att(name) if "." in name else self.ref(name)))
        return joined("", pieces)

    def if_(self, argument: Any) -> Any:
        """`Fn::If`; only the value that is chosen is evaluated."""
        condition, then, otherwise = arguments(argument, 3)
        return self.value(then if self.condition(self._name(condition)) else otherwise)

    def find_in_map(self, argument: Any) -> Any:
        """`Fn::FindInMap`; a fourth argument may have a `DefaultValue`."""
        names, more = listed(argument)[:3], listed(argument)[3:]
        keys = [text(self, name) for name in arguments(names, 3)]
        found: Any = self._mappings
        for number, key in enumerate(keys):
            known = found if isinstance(found, dict) else {}
            found = known.get(key)
            if found is not None:
                continue
            if more and isinstance(more[0], dict) and "DefaultValue" in more[0]:
                return self.value(more[0]["DefaultValue"])
            if any(isinstance(one, Unknown) for one in keys):
                return self.unknown(".".join(keys))
            place = f" in {'.'.join(keys[:number])}" if number else " among the Mappings"
            raise TemplateError(f"there is no {key!r}{place}; known: {shown([*known])}")
        return self.value(found)

    def include(self, argument: Any) -> Any:
        """`Fn::Transform`: `AWS::Include` of a file beside the template; other macros run only in an account."""
        macro = self.value(argument)
        name = macro.get("Name") if isinstance(macro, dict) else None
        details = macro.get("Parameters") if isinstance(macro, dict) else None
        location = details.get("Location") if isinstance(details, dict) else None
        if name != "AWS::Include" or not isinstance(location, str) or location.startswith(("s3://", "https://")):
            return self.unknown(f"Fn::Transform {shown(name)}")
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

    def _name(self, node: Any) -> str:
        if not isinstance(node, str):
            raise TemplateError(f"needs a name, not {shown(node)}")
        return node

    def boolean(self, node: Any) -> bool:
        """Return whether a condition holds."""
        value = self.value(node)
        text = "" if isinstance(value, dict | list) else scalar_text(value)
        if text not in {"true", "false"}:
            raise TemplateError(f"needs a condition, not {shown(value)}")
        return text == "true"

    def unknown(self, name: str) -> Unknown:
        """Return the value for what is not known here, and note its name."""
        if not name.strip("."):
            raise TemplateError(f"needs a name, not {shown(str(name))}")
        if name not in self.unknown_names:
            self.unknown_names.append(str(name))
        return Unknown(name)


FUNCTIONS: Final[Mapping[str, Callable[[Resolver, Any], Any]]] = {
    **intrinsics.FUNCTIONS,
    "Ref": Resolver.ref,
    "Fn::FindInMap": Resolver.find_in_map,
    "Fn::GetAtt": Resolver.get_att,
    "Fn::If": Resolver.if_,
    "Fn::Sub": Resolver.sub,
    "Fn::Transform": Resolver.include,
}


def _pieces(template: str) -> Iterable[tuple[str, str]]:
    """The parts of a text for `Fn::Sub`: literal text, and the name of the variable after it, or an empty text."""
    end = 0
    for match in re.finditer(r"\$\{([^{}]+)\}", template):
        name = match[1].strip()
        literal = template[end : match.start()]
        yield (f"{literal}${{{name[1:]}}}", "") if name.startswith("!") else (literal, name)
        end = match.end()
    yield template[end:], ""
