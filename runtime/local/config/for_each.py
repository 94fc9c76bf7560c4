"""`Fn::ForEach`: a part of a template that is repeated for each item of a list.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-foreach.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from runtime.local.config.template_file import TemplateError
from runtime.local.config.values import scalar_text, shown

PREFIX: Final = "Fn::ForEach::"
#: Characters of an item; a logical id has 255 at most.
ITEM_LIMIT: Final = 1024


def expand(key: str, loop: Any, evaluate: Callable[[Any], Any], spend: Callable[[int], None]) -> list[dict[str, Any]]:
    """Return the mappings that a loop stands for, one for each item; each may have loops in it again.

    Args:
        key: the loop's own key, `Fn::ForEach::NAME`.
        loop: a list of the identifier, the collection and the mapping to repeat.
        evaluate: works out the collection.
        spend: is called with the number of values that will be made; raises TemplateError if they are too many.

    Raises:
        TemplateError: it is not such a list.
    """
    if not isinstance(loop, list) or len(loop) != 3 or not isinstance(loop[0], str) or not isinstance(loop[2], dict):
        raise TemplateError(f"{key} needs a list of an identifier, a list and a mapping")
    name, collection, body = loop
    items = evaluate(collection)
    if not isinstance(items, list) or any(isinstance(item, dict | list) for item in items):
        raise TemplateError(f"{key} needs a list of texts to go through, not {shown(collection)}")
    spend(len(items) * _size(body))
    found: list[dict[str, Any]] = []
    for item in items:
        text = scalar_text(item)
        if len(text) > ITEM_LIMIT:
            raise TemplateError(f"{key} has an item of more than {ITEM_LIMIT} characters")
        found.append(_replaced(body, name, text))
    return found


def _size(node: Any) -> int:
    below = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return 1 + sum(map(_size, below))


def _replaced(node: Any, name: str, value: str) -> Any:
    """Put the value where the identifier is: `${Name}`, `&{Name}` (letters and digits only), and `Ref`."""
    if isinstance(node, str):
        return node.replace(f"${{{name}}}", value).replace(f"&{{{name}}}", re.sub(r"[^a-zA-Z0-9]", "", value))
    if isinstance(node, list):
        return [_replaced(item, name, value) for item in node]
    if not isinstance(node, dict):
        return node
    if node == {"Ref": name}:
        return value
    return {_replaced(key, name, value): _replaced(item, name, value) for key, item in node.items()}
