"""The properties of one resource of a template, evaluated as they are read; AWS SAM's Globals among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from runtime.local.config.intrinsics import NO_VALUE
from runtime.local.config.parameters import Unknown
from runtime.local.config.resolver import FUNCTIONS, Resolver
from runtime.local.config.template_file import TemplateError, section
from runtime.local.config.values import scalar_text, shown

N = TypeVar("N", int, float)


class Properties:
    """Reads properties by name; a problem is a TemplateError that names the property.

    Attributes:
        raw: the properties before they are evaluated, without loops.
    """

    def __init__(self, resolver: Resolver, raw: Mapping[str, Any]) -> None:
        self._resolver = resolver
        self.raw: Mapping[str, Any] = resolver.expanded(raw)

    def get(self, name: str) -> Any:
        """Return a property's value; None if it is missing or `AWS::NoValue`."""
        try:
            value = self._resolver.value(self.raw.get(name))
        except TemplateError as error:
            raise TemplateError(f"its {name}: {error}") from error
        return None if value is NO_VALUE else value

    def text(self, name: str, default: str = "") -> str:
        """Return a text."""
        value = self.get(name)
        if isinstance(value, dict | list):
            raise TemplateError(f"its {name} is not text: {shown(value)}")
        return default if value is None else value if isinstance(value, str) else scalar_text(value)

    def number(self, name: str, default: N) -> N:
        """Return a number; the default for one that is not known here."""
        value = self.get(name)
        if value is None or isinstance(value, Unknown):
            return default
        try:
            number = float("" if isinstance(value, bool) else value)
            found = type(default)(number)
        except (TypeError, ValueError, OverflowError):
            raise TemplateError(f"its {name} is not a number: {shown(value)}") from None
        if found != number and isinstance(default, int):
            raise TemplateError(f"its {name} is not a whole number: {shown(value)}")
        return found

    def mapping(self, name: str) -> dict[str, Any]:
        """Return a mapping; empty if it is missing or not known here."""
        value = self.get(name)
        if value is None or isinstance(value, Unknown):
            return {}
        if not isinstance(value, dict):
            raise TemplateError(f"its {name} is not a mapping: {shown(value)}")
        return value

    def items(self, name: str) -> list[Any]:
        """Return a list; empty if it is missing. One that is not known is a list of that one name."""
        value = self.get(name)
        if value is None or isinstance(value, Unknown):
            return [] if value is None else [value]
        if not isinstance(value, list):
            raise TemplateError(f"its {name} is not a list: {shown(value)}")
        return value

    def inner(self, name: str) -> Properties:
        """Return the properties of a mapping, each of which is still evaluated by itself if it is plain."""
        raw = self.raw.get(name)
        is_own = isinstance(raw, dict) and is_plain(raw)
        own: Any = raw if is_own else self.mapping(name)
        return Properties(self._resolver, own)


def is_plain(node: Any) -> bool:
    """Return whether it is a mapping that is not an intrinsic function."""
    return isinstance(node, dict) and not (len(node) == 1 and next(iter(node)) in FUNCTIONS)


def with_globals(template: Mapping[str, Any], kind: str, resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resource's properties, completed by the Globals for its kind unless it ignores them.

    https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-template-anatomy-globals.html
    """
    shared, own = section(section(template, "Globals"), kind), section(resource, "Properties")
    ignored = resource.get("IgnoreGlobals")
    if ignored == "*":
        return own
    if isinstance(ignored, list):
        shared = {name: value for name, value in shared.items() if name not in ignored}
    merged: dict[str, Any] = _merged(shared, own)
    return merged


def _merged(shared: Any, own: Any) -> Any:
    """Mappings are merged, lists are added, of anything else the resource's own counts."""
    if is_plain(shared) and is_plain(own):
        both = {name: _merged(shared[name], own[name]) for name in shared.keys() & own.keys()}
        return {**shared, **own, **both}
    return shared + own if isinstance(shared, list) and isinstance(own, list) else own
