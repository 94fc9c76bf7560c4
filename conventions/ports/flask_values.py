"""The parts of Flask that OpenFaaS's templates show to functions, without Flask, which functions rarely import.

The behaviour is that of Flask 3.1 (`Flask.make_response`, `DefaultJSONProvider`) and Werkzeug 3.1 (`MultiDict`,
`EnvironHeaders`).
"""

from __future__ import annotations

import sys

from conventions import codec
from conventions.web import part
from conventions.wsgi import called
from dispatch.asynchrony import settle
from dispatch.protocol import JSON
from dispatch.response import chunks, is_iterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    from conventions.web import Answer
    from dispatch.http import Request

#: The content type of whatever does not have another.
HTML = "text/html; charset=utf-8"


class Missing(KeyError):
    """A name is not in a query string; where a function does not catch it, the caller gets a 400."""


class Values(dict[str, str]):
    """The names and values of a query string or of headers: a dictionary of first values that has the others, too."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._lists: dict[str, list[str]] = {}
        for name, value in pairs:
            self._lists.setdefault(name, []).append(value)
        super().__init__({name: values[0] for name, values in self._lists.items()})

    def _key(self, name: str) -> str:
        return name

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(self._key(name))

    def get(self, name: str, default: Any = None, type: Any = None) -> Any:  # noqa: A002 - the name that functions use
        """The first value, converted by `type` if that is given; the default if there is none that converts."""
        return next(iter(_converted(self._lists.get(self._key(name), ())[:1], type)), default)

    def getlist(self, name: str, type: Any = None) -> list[Any]:  # noqa: A002
        """All values of a name; without those that `type` cannot convert."""
        return [*_converted(self._lists.get(self._key(name), ()), type)]

    def lists(self) -> Iterator[tuple[str, list[str]]]:
        """Each name with its values."""
        return iter([(name, values[:]) for name, values in self._lists.items()])

    def to_dict(self, flat: bool = True) -> dict[str, Any]:
        """A plain dictionary, of first values or of lists."""
        return dict(self) if flat else dict(self.lists())


def _converted(values: Sequence[str], kind: Any) -> Iterator[Any]:
    for value in values:
        try:
            yield value if kind is None else kind(value)
        except (ValueError, TypeError):
            continue


class Query(Values):
    """`request.args`."""

    def __missing__(self, name: str) -> str:
        raise Missing(name)

    def items(self, multi: bool = False) -> Any:
        """Names with first values, or with all of them."""
        return ((name, value) for name, values in self.lists() for value in values) if multi else super().items()


class Fields(Values):
    """`request.headers`: names in any case; iterated over, pairs."""

    get_all = Values.getlist

    def _key(self, name: str) -> str:
        return name.title()

    def __missing__(self, name: str) -> str:
        if name not in self:
            raise KeyError(name)
        return super().__getitem__(self._key(name))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items())


def headers_of(request: Request) -> Fields:
    """The headers of a request as a WSGI server gives them: repeated ones joined."""
    return Fields((name.title(), value) for name, value in request.headers.lowered.items() if "_" not in name)


def answered(result: Any, request: Request) -> Answer:
    """The answer that Flask makes of a view's result. Raises TypeError or ValueError."""
    status, headers = None, None
    if isinstance(result, tuple):
        if len(result) == 2 and isinstance(result[1], dict | list | tuple):
            result, headers = result
        elif len(result) == 2:
            result, status = result
        elif len(result) == 3:
            result, status, headers = result
        else:
            raise TypeError(f"the function returned a tuple of {len(result)}; Flask takes a body, a status and headers")
    result, pairs = settle(result), _pairs(headers)
    if isinstance(result, dict | list):
        # Here the headers replace those of an answer that is complete already, name by name.
        replaced = {"content-type": ("Content-Type", JSON), **{name.lower(): (name, value) for name, value in pairs}}
        return _status(status), list(replaced.values()), dumps(result)
    if callable(result):
        return _application(result, status, pairs, request)
    if not any(name.lower() == "content-type" for name, _ in pairs):
        pairs.append(("Content-Type", HTML))
    return _status(status), pairs, _body(result)


def _body(result: Any) -> bytes | Iterator[bytes]:
    if isinstance(result, str):
        return result.encode()
    if isinstance(result, bytes | bytearray):
        return bytes(result)
    if is_iterator(result):
        return chunks(result, part)
    raise TypeError(
        f"the function returned {type(result).__name__}; "
        "Flask takes a str, bytes, dict, list, iterator, response, or a tuple of one with a status and headers"
    )


def _application(app: Any, status: Any, pairs: list[tuple[str, str]], request: Request) -> Answer:
    """A response object, or any other WSGI application."""
    own_status, own_headers, body = called(app, request.environ(), streams=request.streams)
    given = {name.lower() for name, _ in pairs}
    kept = [pair for pair in own_headers if pair[0].lower() not in given]
    return own_status if status is None else _status(status), kept + pairs, body


def _status(status: Any) -> Any:
    if status is None:
        return 200
    return int(status.split(None, 1)[0]) if isinstance(status, str) else status


def _pairs(headers: Any) -> list[tuple[str, str]]:
    if not headers:
        return []
    if not isinstance(headers, dict):
        return [(name, str(value)) for name, value in headers]
    several = (list, tuple, set)
    return [
        (name, str(one))
        for name, value in headers.items()
        for one in (value if isinstance(value, several) else [value])
    ]


def dumps(value: Any) -> bytes:
    """A value as `jsonify` writes it."""
    encoder = codec.simplejson().JSONEncoder(sort_keys=True, separators=(",", ":"), default=_plain, **_options)
    return f"{encoder.encode(value)}\n".encode()


def _plain(value: Any) -> Any:
    from dataclasses import asdict, is_dataclass
    from datetime import UTC, date, datetime, time
    from decimal import Decimal
    from uuid import UUID

    if isinstance(value, date):
        from email.utils import format_datetime

        moment = value if isinstance(value, datetime) else datetime.combine(value, time())
        return format_datetime(moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC), usegmt=True)
    if isinstance(value, Decimal | UUID):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


_options: dict[str, Any] = {"use_decimal": False, "namedtuple_as_object": False, "allow_nan": True, "encoding": None}


def flask_context(request: Request) -> AbstractContextManager[Any]:
    """While it is entered, `flask.request` and `jsonify` work in a function that imports Flask by itself."""
    flask: Any = sys.modules.get("flask")
    if flask is None:
        from contextlib import nullcontext

        return nullcontext()
    app = _apps.get("index") or _apps.setdefault("index", flask.Flask("index"))
    return app.request_context(request.environ())  # type: ignore[no-any-return]


_apps: dict[str, Any] = {}
