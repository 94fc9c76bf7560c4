"""Reads and writes JSON as simplejson does: with Python's own C code, and with orjson for large texts.

Each of them gets only values that it is known to treat as simplejson does. simplejson does the rest, and whatever they
refuse; it is imported for the first of those, because its import would take a quarter of a cold start. orjson is
imported once large texts are so many that it has paid for its import.
"""

from __future__ import annotations

import marshal
import sys
from types import FunctionType, SimpleNamespace

from dispatch.errors import UnmarshalError
from dispatch.late import Late
from dispatch.shadowing import shadowed

try:
    import _json
except ImportError:  # not CPython: simplejson does everything
    _json = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from dispatch.invocation import Invocation

UTF_8 = "utf-8"

#: simplejson, for what only it does as AWS's client does: named tuples, Decimal, the words of errors.
simplejson = Late("simplejson")

#: From this size a text counts as large, in bytes: parsing takes 20 µs, and most events are smaller.
LARGE = 4096

#: After how many bytes of large texts orjson reads them, and of large answers simplejson writes those that orjson does
#: not: importing one takes 10 ms, and it saves 2.5 and 1.2 ns a byte.
WORTH_ORJSON, WORTH_SIMPLEJSON = 4 * 1024 * 1024, 8 * 1024 * 1024

#: What JSON allows around a value.
_BLANKS = " \t\n\r"

#: A translation table: each digit becomes 0, each byte that may come before a number a colon, and all others x.
_SHAPE = bytes(48 if 48 <= byte <= 57 else 58 if byte in b" \t\r\n:,[-" else 120 for byte in range(256))

#: The shape of an integer that may not fit into 64 bits; orjson would read it as a float.
_LONG = b"0" * 19

#: Types whose values orjson and simplejson write alike, except for some floats.
_CONTAINERS = frozenset({dict, list, tuple})
_KNOWN = frozenset({str, int, bool, type(None), float}) | _CONTAINERS

#: How many characters of an event an error message shows.
_LONGEST = 200

#: The nesting depth that orjson can write, and the number of values that fit into an answer of 6 MiB.
_DEEPEST, _MOST = 250, 3_200_000


class _Fast:
    """Holds orjson once it is worth its import; `module` is None before that, or if it cannot be imported.

    orjson writes without blanks. msgspec adds them if they are wanted; it is imported the first time they are.
    """

    module: ModuleType | Any = None
    sought = False
    large = 0
    blanks: Callable[..., bytes] | None = None
    blanks_sought = False

    #: The options that make orjson refuse types that it would write in its own way.
    passed_on = 0

    def count(self, size: int) -> None:
        """Note a large text, and import orjson if they have become enough."""
        self.large += size
        if self.large >= WORTH_ORJSON:
            self.seek()

    def seek(self) -> None:
        self.sought = True
        # If a standard module is shadowed by another one, importing orjson can crash the process.
        if shadowed(sys.path):
            return
        try:
            import orjson

            self.passed_on = (
                orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
            )
        # AttributeError: the user's own module has this name. OSError: the process has no descriptors left.
        except (ImportError, AttributeError, OSError):
            return
        self.module = orjson

    def seek_blanks(self) -> None:
        self.blanks_sought = True
        try:
            from msgspec.json import format as formatted
        except (ImportError, OSError):
            return
        self.blanks = formatted

    def written(self, value: Any, blanks: bool) -> bytes | None:
        """The value as simplejson would write it; None if simplejson has to write it."""
        if blanks and not self.blanks_sought:
            self.seek_blanks()
        if blanks and self.blanks is None:
            return None
        if not _written_alike(value):
            return None
        try:
            data: bytes = self.module.dumps(value, option=self.passed_on)
        except TypeError:
            return None
        return self.blanks(data, indent=0) if blanks and self.blanks else data


_fast = _Fast()


def loads(text: bytes | str) -> Any:
    """Parse a JSON text. Raises ValueError, also for any byte that is not UTF-8."""
    if len(text) >= LARGE:
        if not _fast.sought:
            _fast.count(len(text))
        if _fast.module is not None:
            data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
            shape = data.translate(_SHAPE)
            # Searching from the right takes half the time.
            if shape.rfind(b":" + _LONG) < 0 and not shape.startswith(_LONG):
                try:
                    return _fast.module.loads(data)
                except ValueError:  # simplejson may accept it; if not, it words the error
                    pass
    string = text.decode() if isinstance(text, bytes) else text
    value, end = _scanned(string)
    if end == len(string):
        return value
    bare = string.strip(_BLANKS)
    if len(bare) < len(string):
        value, end = _scanned(bare)
    return value if end == len(bare) else simplejson().JSONDecoder().decode(string)


def _scanner() -> Callable[[str], tuple[Any, int]]:
    """A function that returns the value at the start of a text and its end; None and -1 if simplejson must read it."""
    options = {"strict": True, "parse_float": float, "parse_int": int, "parse_constant": {}.__getitem__}
    hooks = dict.fromkeys(("object_hook", "object_pairs_hook", "array_hook"))
    context: Any = SimpleNamespace(**options, **hooks)
    scan: Any = _json and _json.make_scanner(context)

    def scanned(string: str) -> tuple[Any, int]:
        try:
            return scan(string, 0)  # type: ignore[no-any-return]
        except Exception:  # noqa: BLE001 - StopIteration, KeyError for NaN, or whatever a failing import raises
            return None, -1

    # For the class of its errors, _json would import json, and the task root may have its own json.py. It imports with
    # the builtins of the function that has called it, so that function gets builtins that cannot import.
    builtins = {"Exception": Exception}
    return FunctionType(scanned.__code__, {"__builtins__": builtins}, closure=scanned.__closure__)


_scanned = _scanner()


def parsed(invocation: Invocation, parse: Callable[[bytes | str], Any] = loads) -> Any:
    """The event as JSON. Raises UnmarshalError."""
    try:
        return parse(invocation.body if invocation.encoding == UTF_8 else invocation.text)
    except UnicodeDecodeError:
        return parse(invocation.text)  # its error names HANDLER_ENCODING
    except (ValueError, RecursionError) as error:
        raise UnmarshalError(f"the event is not JSON: {error}; it starts with {invocation.body[:40]!r}") from None


def shortened(text: str) -> str:
    """A part of an event for an error message, which may be all of the event that is wrong."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def refused(value: Any) -> Any:
    """Raise TypeError: an encoder's default for values of which every type is known."""
    raise TypeError(f"{type(value).__name__} is not JSON serializable")


def encoder(default: Callable[[Any], Any] = refused, *, blanks: bool, **options: Any) -> Callable[[Any], bytes]:
    """Create a function that writes values as JSON in UTF-8, like a simplejson.JSONEncoder with these options.

    Args:
        default: replaces a value of an unknown type with one that JSON has; raises TypeError if it cannot.
        blanks: whether to write a blank after each comma and colon.
        options: options of simplejson's encoder: which numbers it accepts, and how it writes values that orjson
            does not know.

    Returns:
        A function that raises TypeError, ValueError or RecursionError for a value that JSON cannot express.
    """
    separators = (", ", ": ") if blanks else (",", ":")
    standard = _standard_encoder(separators, options.get("allow_nan", False))
    simple: Callable[[Any], bytes] | None = None
    large, size = 0, 0  # the bytes of all large answers, and of the last answer

    def dumps(value: Any) -> bytes:
        nonlocal simple, large, size
        data = None if _fast.module is None else _fast.written(value, blanks)
        if data is None and (size < LARGE or large < WORTH_SIMPLEJSON):
            data = standard(value)
        if data is None:
            if simple is None:
                simple = _simple_encoder(default, separators=separators, **options)
            data = simple(value)
        size = len(data)
        if size >= LARGE:
            large += size
            if not _fast.sought:
                _fast.count(size)
        return data

    return dumps


def _standard_encoder(separators: tuple[str, str], allow_nan: bool) -> Callable[[Any], bytes | None]:
    """A function that writes values of exactly the types that JSON has, and returns None for all others.

    Python's own encoder in C would write named tuples as arrays, and ignore the methods of subclasses.
    """
    item, key = separators
    # No check for cycles: they exceed the recursion limit, and simplejson words the error.
    encode: Any = _json and _json.make_encoder(
        None, refused, _json.encode_basestring, None, key, item, False, False, allow_nan
    )

    def dumps(value: Any) -> bytes | None:
        try:
            # marshal refuses any other type, except some that _json refuses. The fourth format survives cycles.
            marshal.dumps(value, 4)
            return "".join(encode(value, 0)).encode()
        except Exception:  # noqa: BLE001 - also those of audit hooks
            return None

    return dumps


def _simple_encoder(default: Callable[[Any], Any], **options: Any) -> Callable[[Any], bytes]:
    """The same with simplejson alone.

    simplejson checks every value for named tuples, cycles and bytes, which takes half its time. Here a quick encoder
    without these checks goes first, and a careful one does whatever the quick one refuses.
    """

    def rest(value: Any) -> Any:
        if isinstance(value, bytes):
            raise TypeError  # the careful one writes them as text, unless an option forbids it
        as_dict = getattr(value, "_asdict", None)
        if callable(as_dict):
            fields = as_dict()
            if not isinstance(fields, dict):
                raise TypeError  # the careful one words the error
            return fields
        return list(value) if isinstance(value, tuple) else default(value)

    shortcuts = {"encoding": None, "namedtuple_as_object": False, "tuple_as_array": False, "check_circular": False}
    quick = simplejson().JSONEncoder(ensure_ascii=False, default=rest, **{**options, **shortcuts})
    careful = simplejson().JSONEncoder(ensure_ascii=False, default=default, **options)
    in_ascii = simplejson().JSONEncoder(default=default, **options)

    def dumps(value: Any) -> bytes:
        try:
            text: str = quick.encode(value)
        except (TypeError, RecursionError):
            text = careful.encode(value)
        try:
            return text.encode()
        except UnicodeEncodeError:  # a lone surrogate, which UTF-8 cannot express
            return str(in_ascii.encode(value)).encode()

    return dumps


def _written_alike(value: Any) -> bool:
    """Whether orjson, if it accepts this value, writes the same bytes as simplejson.

    orjson writes NaN as null, writes exponents of floats differently, and knows types that simplejson does not. It
    also does not count the depth of tuples (3.13), so that a cycle of them crashes the process.
    """
    level, left = [[value]], _MOST
    for _ in range(_DEEPEST):
        below: list[list[Any]] = []
        for column in level:
            kinds = {*map(type, column)}
            if not kinds <= _KNOWN:
                return False
            if float in kinds and not _without_exponents(column):
                return False
            if kinds & _CONTAINERS:
                below += _held(column, kinds)
        if not below:
            return True
        left -= sum(map(len, below))
        if left < 0:
            return False
        level = below
    return False


def _without_exponents(values: list[Any]) -> bool:
    """Whether repr() writes the floats among these without an exponent: from 1e-4 up to, but not including, 1e16."""
    for value in values:
        if type(value) is float and not (1e-4 <= value < 1e16 or -1e16 < value <= -1e-4 or value == 0):
            return False
    return True


def _held(column: list[Any], kinds: set[type]) -> list[list[Any]]:
    """The values inside the containers among these; not the keys, since orjson refuses keys that are not text.

    If all containers have the same length, there is one list for each position, so that in a list of records only
    the columns with floats are searched for floats, and not the texts.
    """
    containers = column if kinds <= _CONTAINERS else [item for item in column if type(item) in _CONTAINERS]
    held: list[Any] = []
    for item in containers:
        held += item.values() if type(item) is dict else item
    width = len(held) // len(containers)
    return [held[place::width] for place in range(width)] if 1 < width < len(containers) else [held]
