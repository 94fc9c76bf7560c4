"""Typed events: converts an event to the type that the function's annotation names, with pydantic.

An annotation asks for this if it is a dataclass, a TypedDict, a NamedTuple or a pydantic model, or contains one, like
`list[Order]` or `Order | None`. Nothing is imported for any other annotation, and pydantic only for these.
"""

from __future__ import annotations

import sys
from _functools import partial  # type: ignore[import-not-found]

import simplejson

from conventions import codec
from conventions.json_values import as_path
from dispatch.errors import ImportModuleError, UnmarshalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

    from pydantic import ValidationError

    from dispatch.invocation import Invocation
    from dispatch.types import UserFunction

#: The attributes of a dataclass, a TypedDict, and a pydantic model; a NamedTuple is a tuple with `_fields`.
_MARKS = ("__dataclass_fields__", "__required_keys__", "__pydantic_validator__")

#: How deep annotations are searched, which may contain themselves.
_DEEPEST = 10

#: How many problems of an event are named; how many characters each may have, and how many a value in it.
_MOST, _LONGEST, _SHORT = 20, 200, 40


def reader(function: UserFunction) -> Callable[[Invocation], Any]:
    """What reads the event for a function: a conversion to the type of its first parameter, or else the JSON parser.

    A script's `main(handler, event)` has the event as its second parameter.

    Raises:
        ImportModuleError: pydantic is not installed.
        UnmarshalError: it cannot convert anything to this type.
    """
    found = _annotation(function, 1 if hasattr(function, "__script__") else 0)
    if found is None:
        return codec.parsed
    annotation, names = found
    if not _asks(annotation, names, _DEEPEST):
        return codec.parsed
    return _converter(annotation, names)


# ----------------------------------------------------------------------------------------------------------------------
# The annotation, without inspect and typing
# ----------------------------------------------------------------------------------------------------------------------


def _annotation(function: Any, position: int) -> tuple[Any, dict[str, Any]] | None:
    """The annotation of the parameter at a position, and the global names of the function; None if there is none."""
    while True:
        if isinstance(function, partial):
            position += len(function.args)
            function = function.func
        elif hasattr(function, "__func__"):  # a method; first, because it also has its function's __wrapped__
            position += 1
            function = function.__func__
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        else:
            break
    code = getattr(function, "__code__", None)
    if code is None or position >= code.co_argcount:
        return None
    annotation = _annotations(function).get(code.co_varnames[position])
    return None if annotation is None else (annotation, function.__globals__)


def _annotations(function: Any) -> dict[str, Any]:
    try:
        return function.__annotations__  # type: ignore[no-any-return]
    except Exception:  # from Python 3.14 on, a name in one of them may be unknown
        if sys.version_info >= (3, 14):
            from annotationlib import Format, get_annotations

            return get_annotations(function, format=Format.FORWARDREF)
        raise


def _asks(annotation: Any, names: dict[str, Any], depth: int) -> bool:
    """Whether an annotation is, or contains, one of the types to which events are converted."""
    if isinstance(annotation, type):
        return any(hasattr(annotation, mark) for mark in _MARKS) or (
            issubclass(annotation, tuple) and hasattr(annotation, "_fields")
        )
    try:
        inner = [*_parts(annotation, names)]
    except Exception:  # noqa: BLE001 - it cannot be resolved
        return False
    return depth > 0 and any(_asks(part, names, depth - 1) for part in inner)


def _parts(annotation: Any, names: dict[str, Any]) -> Iterator[Any]:
    """What an annotation that is not a class consists of: a text's value, a union's members, a list's items."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__forward_arg__", None)
    if isinstance(text, str):
        yield eval(text, names)  # noqa: S307 - an annotation is the user's own code
        return
    origin = getattr(annotation, "__origin__", None)
    if origin is type or getattr(origin, "__name__", "") in {"Callable", "Literal"}:
        return
    for name in ("__value__", "__supertype__"):  # of an alias, and of a NewType
        if hasattr(type(annotation), name) or name in getattr(annotation, "__dict__", ()):
            yield getattr(annotation, name)
    if origin is not None:
        yield origin
    yield from getattr(annotation, "__args__", ())


# ----------------------------------------------------------------------------------------------------------------------
# The conversion, by pydantic
# ----------------------------------------------------------------------------------------------------------------------


def _converter(annotation: Any, names: dict[str, Any]) -> Callable[[Invocation], Any]:
    shown = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    try:
        from pydantic import TypeAdapter, ValidationError
    except (ImportError, AttributeError) as error:
        raise ImportModuleError(
            f"the event is annotated as {shown}, which needs pydantic: {error}; pip install 'handler-dispatch[typed]', "
            "or annotate it as dict"
        ) from error
    try:
        from types import SimpleNamespace
        from typing import get_type_hints

        holder = SimpleNamespace(__annotations__={"event": annotation})
        adapter = TypeAdapter(get_type_hints(holder, names, include_extras=True)["event"])
        is_exact = _is_exact(adapter.core_schema)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise UnmarshalError(f"no event can be converted to {shown}, its annotation: {reason}") from error

    def read(invocation: Invocation) -> Any:
        try:
            if is_exact:
                return adapter.validate_python(codec.parsed(invocation, _exactly))
            _refuse_constants(invocation)
            return adapter.validate_json(invocation.body if invocation.encoding == codec.UTF_8 else invocation.text)
        except ValidationError as error:
            failure = error
        event = codec.parsed(invocation)
        try:
            if is_exact:  # once more, for the words that fit JSON
                adapter.validate_json(invocation.text)
            elif _is_refused(failure):
                return adapter.validate_python(event)
        except ValidationError as error:
            if not _is_refused(error):
                failure = error
        raise UnmarshalError(f"the event cannot be converted to {shown}: {_in_words(_problems(failure), event)}")

    return read


def _refuse_constants(invocation: Invocation) -> None:
    """Raise UnmarshalError for NaN and Infinity, which pydantic accepts as numbers although they are not JSON."""
    if "NaN" in invocation.text or "Infinity" in invocation.text:
        codec.parsed(invocation)


def _problems(failure: ValidationError) -> list[Any]:
    return failure.errors(include_url=False, include_context=False)


def _is_refused(failure: ValidationError) -> bool:
    """Whether pydantic refuses the text itself, such as one with half a surrogate pair, which our parser accepts."""
    if failure.error_count() > 1:
        return False
    (only,) = _problems(failure)
    return only["type"] == "json_invalid" and not only["loc"]


def _is_exact(schema: Any) -> bool:
    """Whether numbers are to keep all their digits, because there is a Decimal: pydantic reads JSON numbers as floats.

    Not if the type makes a difference between JSON and Python's own values: then only reading JSON is right.
    """
    from collections.abc import Mapping

    has_decimal, left = False, [schema]
    while left:
        node = left.pop()
        if isinstance(node, Mapping):
            if node.get("strict") is True or "val_json_bytes" in node:
                return False
            has_decimal = has_decimal or node.get("type") == "decimal"
            left += node.values()
        elif isinstance(node, list | tuple):
            left += node
    return has_decimal


class _Number(float):
    """A float that remembers how it was written."""

    __slots__ = ("_text",)
    _text: str

    def __new__(cls, text: str | float) -> Self:
        self = super().__new__(cls, text)
        self._text = str(text)
        return self

    def __str__(self) -> str:
        return self._text


_DECODER = simplejson.JSONDecoder(parse_float=_Number)


def _exactly(text: bytes | str) -> Any:
    return _DECODER.decode(text.decode() if isinstance(text, bytes) else text)


# ----------------------------------------------------------------------------------------------------------------------
# What is wrong with an event
# ----------------------------------------------------------------------------------------------------------------------


def _in_words(problems: list[Any], event: Any) -> str:
    """All problems of an event, each with its path; several at one path are the members of a union."""
    by_path: dict[str, list[Any]] = {}
    left = len(problems)
    for problem in problems:
        path = _path(problem, event)
        if path not in by_path and len(by_path) == _MOST:
            break
        by_path.setdefault(path, []).append(problem)
        left -= 1
    described = [f"{_shortened(path, _LONGEST)}: {_described(at_path)}" for path, at_path in by_path.items()]
    return "; ".join(described) + (f"; and {left} more" if left else "")


def _described(problems: list[Any]) -> str:
    first, *others = dict.fromkeys(problem["msg"] for problem in problems)
    text = ", or ".join([first, *(other[:1].lower() + other[1:] for other in others)])
    value = problems[0]["input"]
    if value is None or isinstance(value, str | int | float):
        text += f" (it is {_shortened(repr(value), _SHORT)})"
    return _shortened(text, _LONGEST)


def _shortened(text: str, size: int) -> str:
    return text if len(text) <= size else f"{text[:size]}…"


def _path(problem: Any, event: Any) -> str:
    """The path of a problem in the event, followed by the union's member that does not fit."""
    steps, members, value = [], [], event
    location = problem["loc"]
    for place, step in enumerate(location, 1):
        is_last = place == len(location)
        if isinstance(step, int) if isinstance(value, list) else isinstance(value, dict) and step in value:
            steps.append(step)
            value = value[step] if isinstance(value, dict) or step < len(value) else None
        elif is_last and problem["type"].startswith("missing"):
            steps.append(step)
        elif not is_last and str(step).isidentifier():
            members.append(step)
    return (as_path(steps) or "the event") + "".join(f" (as {member})" for member in members)
