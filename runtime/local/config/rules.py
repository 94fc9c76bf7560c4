"""The rules of a template: what CloudFormation requires of the values of its parameters.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runtime.local.config.resolver import Resolver
from runtime.local.config.template_file import TemplateError, section
from runtime.local.config.values import shown


def broken(template: Mapping[str, Any], resolver: Resolver) -> Iterator[str]:
    """Return a note for each assertion that does not hold; one that depends on what is not known here is left out."""
    known = [*resolver.unknown_names]
    for name in section(template, "Rules"):
        rule = section(section(template, "Rules"), name)
        assertions = rule.get("Assertions")
        if _holds(resolver, rule.get("RuleCondition", True)) is not True or not isinstance(assertions, list):
            continue
        for one in assertions:
            if isinstance(one, dict) and _holds(resolver, one.get("Assert")) is False:
                yield f"the rule {name} does not hold: {one.get('AssertDescription') or shown(one.get('Assert'))}"
    resolver.unknown_names[:] = known


def _holds(resolver: Resolver, condition: Any) -> bool | None:
    try:
        return resolver.boolean(condition)
    except TemplateError:
        return None
