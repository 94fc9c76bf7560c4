"""Typed events: converts an event to the type that the function's annotation names, with pydantic.

An annotation asks for this if it is a dataclass, a TypedDict, a NamedTuple or a pydantic model, or a union with one,
like `Order | None`. Nothing is imported for any other annotation, and pydantic only for these.
"""

from __future__ import annotations

import sys
from _functools import partial  # type: ignore[import-not-found]
from types import FunctionType

from conventions import codec
from conventions.typed_problems import in_words
from dispatch.errors import ImportModuleError, UnmarshalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

    from pydantic import TypeAdapter, ValidationError

    from dispatch.invocation import Invocation
    from dispatch.types import UserFunction

#: The attributes of a dataclass, a TypedDict, and a pydantic model; a NamedTuple is a tuple with `_fields`.
_MARKS = ("__dataclass_fields__", "__required_keys__", "__pydantic_validator__")

#: How deep annotations are searched, which may contain themselves.
_DEEPEST = 10

#: How many decorators, methods and partials are looked through; an object may seem to have any attribute.
_MOST_LAYERS = 100

#: The classes of unions, in all Pythons.
_UNIONS = frozenset({"UnionType", "_UnionGenericAlias", "Union"})

#: Words that pydantic reads as numbers, although they are not JSON.
_NOT_JSON = (b"NaN", b"Infinity")


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
    for _ in range(_MOST_LAYERS):
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
    if not isinstance(function, FunctionType) or position >= function.__code__.co_argcount:
        return None
    annotation = _annotations(function).get(function.__code__.co_varnames[position])
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
    """Whether an annotation is one of the types to which events are converted, or a union with one."""
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
    """What an annotation that is not a class stands for: a text's value, a union's members, a generic class."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__forward_arg__", None)
    if isinstance(text, str):
        yield eval(text, names)  # noqa: S307 - an annotation is the user's own code
        return
    for name in ("__value__", "__supertype__"):  # of an alias, and of a NewType
        if hasattr(type(annotation), name) or name in getattr(annotation, "__dict__", ()):
            yield getattr(annotation, name)
    if type(annotation).__name__ in _UNIONS:
        yield from annotation.__args__
    elif hasattr(annotation, "__origin__"):  # Annotated, too
        yield annotation.__origin__


# ----------------------------------------------------------------------------------------------------------------------
# The conversion, by pydantic
# ----------------------------------------------------------------------------------------------------------------------


def _converter(annotation: Any, names: dict[str, Any]) -> Callable[[Invocation], Any]:
    shown = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    adapter, is_exact = _adapter(annotation, names, shown)
    exactly = _exact_parser() if is_exact else codec.loads
    from pydantic import ValidationError

    def validated(invocation: Invocation) -> Any:
        if is_exact:
            return adapter.validate_python(codec.parsed(invocation, exactly))
        if invocation.encoding != codec.UTF_8 or any(word in invocation.body for word in _NOT_JSON):
            codec.parsed(invocation)
        return adapter.validate_json(invocation.body if invocation.encoding == codec.UTF_8 else invocation.text)

    def read(invocation: Invocation) -> Any:
        try:
            return validated(invocation)
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
        raise UnmarshalError(f"the event cannot be converted to {shown}: {in_words(_problems(failure), event)}")

    return read


def _adapter(annotation: Any, names: dict[str, Any], shown: str) -> tuple[TypeAdapter[Any], bool]:
    """What converts to the type, and whether numbers keep all their digits; `shown` is the annotation in messages."""
    try:
        from pydantic import TypeAdapter
    except (ImportError, AttributeError) as error:
        raise ImportModuleError(
            f"the event is annotated as {shown}, which needs pydantic: {error}; pip install 'handler-dispatch[typed]', "
            "or annotate it as dict"
        ) from error
    try:
        with _every_typed_dict():
            adapter: TypeAdapter[Any] = TypeAdapter(_resolved(annotation, names))
            is_exact = _is_exact(adapter.core_schema)  # raises if a name in the type is unknown
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise UnmarshalError(f"no event can be converted to {shown}, its annotation: {reason}") from error
    return adapter, is_exact


def _resolved(annotation: Any, names: dict[str, Any]) -> Any:
    """The annotation without texts."""
    from types import SimpleNamespace
    from typing import get_type_hints

    holder = SimpleNamespace(__annotations__={"event": annotation})
    return get_type_hints(holder, names, include_extras=True)["event"]


class _every_typed_dict:  # noqa: N801 - used as a function
    """Lets pydantic accept the TypedDict of Python 3.11's typing, too, while a type is read.

    pydantic knows it by its metaclass's module, and refuses it because it lacks `__orig_bases__`, where only pydantic's
    own decorators inside a TypedDict would be found.
    """

    def __enter__(self) -> None:
        if sys.version_info < (3, 12):
            self._name("typing_extensions")

    def __exit__(self, *_: object) -> None:
        if sys.version_info < (3, 12):
            self._name("typing")

    def _name(self, module: str) -> None:
        from typing import TypedDict

        type(TypedDict("_", {})).__module__ = module  # type: ignore[operator]


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


def _exact_parser() -> Callable[[bytes | str], Any]:
    """A JSON parser that keeps the digits of numbers."""
    decode = codec.simplejson().JSONDecoder(parse_float=_Number).decode
    return lambda text: decode(text.decode() if isinstance(text, bytes) else text)
