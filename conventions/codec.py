"""JSON as simplejson reads and writes it; large texts by orjson, where that is installed.

orjson gets only what it is known to do in the same way; simplejson takes the rest, and what orjson refuses. It is
imported when the first large text is met, because its import takes as long as simplejson's.
"""

from __future__ import annotations

import sys

import simplejson

from dispatch.shadowing import shadowed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

#: Bytes of JSON from which a text counts as large: simplejson takes 30 µs for it, and most events are smaller.
LARGE = 4096

#: Makes each digit 0, what may stand before a number a colon, and all the rest x.
_SHAPE = bytes(48 if 48 <= byte <= 57 else 58 if byte in b" \t\r\n:,[-" else 120 for byte in range(256))

#: The shape of an integer that may not fit into 64 bits, of which orjson makes a float.
_LONG = b"0" * 19

#: What orjson and simplejson write alike: all values of these types, but for some floats.
_CONTAINERS = frozenset({dict, list, tuple})
_KNOWN = frozenset({str, int, bool, type(None), float}) | _CONTAINERS

#: Levels that orjson goes down at most, and values that an answer of 6 MiB has room for.
_DEEPEST, _MOST = 250, 3_200_000


class _Fast:
    """orjson, from the first large text on; None until then, and where it is not installed.

    It writes without blanks. Where they are wanted msgspec puts them in, which is imported when that is first so.
    """

    module: ModuleType | Any = None
    sought = False
    blanks: Callable[..., bytes] | None = None
    blanks_sought = False

    #: The options by which orjson refuses types that it would write in its own way.
    passed_on = 0

    def seek(self) -> None:
        self.sought = True
        # With another module in place of one of Python's own, importing orjson can end the process.
        if shadowed(sys.path):
            return
        try:
            import orjson

            self.passed_on = (
                orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
            )
        except (ImportError, AttributeError):  # or a module of the user's own has its name
            return
        self.module = orjson

    def seek_blanks(self) -> None:
        self.blanks_sought = True
        try:
            from msgspec.json import format as formatted
        except ImportError:
            return
        self.blanks = formatted

    def written(self, value: Any, blanks: bool) -> bytes | None:
        """The value as simplejson would write it; None if it has to do it itself."""
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
    """The value of a JSON text, of whose bytes that are no UTF-8 none is passed over. Raises ValueError."""
    if len(text) >= LARGE:
        if not _fast.sought:
            _fast.seek()
        if _fast.module is not None:
            data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
            shape = data.translate(_SHAPE)
            # From the right it is found, or not, in half the time.
            if shape.rfind(b":" + _LONG) < 0 and not shape.startswith(_LONG):
                try:
                    return _fast.module.loads(data)
                except ValueError:  # simplejson may take it, and words the error where it does not
                    pass
    string = text.decode() if isinstance(text, bytes) else text
    try:
        value, end = _DECODER.scan_once(string, 0)
    except (StopIteration, ValueError):
        end = -1
    # decode() takes twice as long; it knows what may stand around the value, and words the error for what may not.
    return value if end == len(string) else _DECODER.decode(string)


_DECODER = simplejson.JSONDecoder()


def encoder(default: Callable[[Any], Any], *, blanks: bool, **options: Any) -> Callable[[Any], bytes]:
    """A function that writes values as JSON in UTF-8, as a simplejson.JSONEncoder with these options does.

    Args:
        default: what stands in JSON for a value that it does not know; raises TypeError if there is nothing.
        blanks: whether there is one behind each comma and colon.
        options: of simplejson's encoder; which numbers it takes, and how it writes what orjson does not know.

    What it returns raises TypeError, ValueError or RecursionError for what JSON cannot express.
    """
    simple = _simple_encoder(default, separators=(", ", ": ") if blanks else (",", ":"), **options)

    def dumps(value: Any) -> bytes:
        data = None if _fast.module is None else _fast.written(value, blanks)
        if data is None:
            data = simple(value)
            if len(data) >= LARGE and not _fast.sought:
                _fast.seek()
        return data

    return dumps


def _simple_encoder(default: Callable[[Any], Any], **options: Any) -> Callable[[Any], bytes]:
    """The same by simplejson alone.

    simplejson looks for named tuples, circles and bytes at every turn, which takes half its time. Here a quick encoder
    that does not look goes first, and a careful one has what it refuses.
    """

    def rest(value: Any) -> Any:
        if isinstance(value, bytes):
            raise TypeError  # they are text to the careful one, unless told otherwise
        as_dict = getattr(value, "_asdict", None)
        if callable(as_dict):
            fields = as_dict()
            if not isinstance(fields, dict):
                raise TypeError  # the careful one says so
            return fields
        return list(value) if isinstance(value, tuple) else default(value)

    shortcuts = {"encoding": None, "namedtuple_as_object": False, "tuple_as_array": False, "check_circular": False}
    quick = simplejson.JSONEncoder(ensure_ascii=False, default=rest, **{**options, **shortcuts})
    careful = simplejson.JSONEncoder(ensure_ascii=False, default=default, **options)
    in_ascii = simplejson.JSONEncoder(default=default, **options)

    def dumps(value: Any) -> bytes:
        try:
            text = quick.encode(value)
        except (TypeError, RecursionError):
            text = careful.encode(value)
        try:
            return text.encode()
        except UnicodeEncodeError:  # a lone surrogate, which UTF-8 has not
            return in_ascii.encode(value).encode()

    return dumps


def _written_alike(value: Any) -> bool:
    """Whether orjson would write of this value, if it takes it, the bytes that simplejson writes.

    It writes NaN as null, a float that takes an exponent in another form, and knows types that simplejson does not.
    And it goes down tuples without counting (3.13), so that a circle of them ends the process.
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
    """Whether repr() writes the floats of these without one; it has one below 1e-4 and from 1e16 on."""
    for value in values:
        if type(value) is float and not (1e-4 <= value < 1e16 or -1e16 < value <= -1e-4 or value == 0):
            return False
    return True


def _held(column: list[Any], kinds: set[type]) -> list[list[Any]]:
    """What the containers among these hold; of keys orjson takes no other than text.

    Where they are of one length it is a list for each place, so that in a list of records floats are looked for where
    floats are, and not among the texts.
    """
    containers = column if kinds <= _CONTAINERS else [item for item in column if type(item) in _CONTAINERS]
    held: list[Any] = []
    for item in containers:
        held += item.values() if type(item) is dict else item
    width = len(held) // len(containers)
    return [held[place::width] for place in range(width)] if 1 < width < len(containers) else [held]
