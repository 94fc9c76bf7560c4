"""Exceptions whose classes do what they like: each has a report, and the environment serves on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.files import write
from support.runtime import COMMAND, Runtime

SOURCE = r"""
import dispatch, sys
class Meta(type):
    @property
    def __name__(cls): raise RuntimeError
class MetaName(Exception, metaclass=Meta): pass
class Meta(type):
    def __getattribute__(cls, name): raise RuntimeError(name)
class MetaAll(Exception, metaclass=Meta): pass
class Meta(type): __name__ = 5
class MetaNumber(Exception, metaclass=Meta): pass
def fails(self): raise RuntimeError
class Chain(Exception):
    __cause__ = __context__ = __suppress_context__ = __traceback__ = __notes__ = property(fails)
class Class(Exception): __class__ = property(fails)
class Attributes(Exception):
    def __getattribute__(self, name): raise RuntimeError(name)
class Text(str):
    def __getattribute__(self, name): raise RuntimeError(name)
    splitlines = encode = __format__ = __len__ = fails
class Lies(Exception): __class__ = property(lambda self: SystemExit)
class Falsy(Exception): __bool__ = __len__ = fails
class Meta(type(dispatch.UnmarshalError)): error_type = property(fails)
class Typed(dispatch.UnmarshalError, metaclass=Meta): pass
class StrOfItsOwn(Exception):
    def __str__(self): return Text("m")
class StrNumber(Exception):
    def __str__(self): return 5
class StrExits(Exception):
    def __str__(self): raise SystemExit
class StrRecurs(Exception):
    def __str__(self): return str(self)
class Exit(SystemExit): code = property(fails)
Long = type("L" * 100_000, (Exception,), {})
Odd = type("a\r\nX: b\x1b\x7f\u2028", (Exception,), {})
def down(n): return up(n - 1) if n else 1 / 0
def up(n): return down(n - 1) if n else 1 / 0
def handler(event, more):
    event = event.strip('"')
    if event == "deep":
        sys.setrecursionlimit(100_000)
        down(40_000)
    if event == "chain":
        error = None
        for number in range(10_000):
            following = ValueError(str(number))
            following.__cause__, error = error, following
        raise error
    if event == "group": raise ExceptionGroup("many", [ValueError(str(number)) for number in range(10_000)])
    if event == "large": raise ValueError("x" * 7_000_000)
    if event == "notes":
        error = ValueError("bad")
        error.add_note("row 17\nof orders.csv")
        error.__notes__ += [5]
        raise error
    if event == "hostile notes":
        class Notes(list): __bool__ = __len__ = __iter__ = fails
        error = ValueError("bad")
        error.__notes__ = Notes(["x"])
        raise error
    if event == "odd notes":
        error = ValueError("bad")
        error.__notes__ = 5
        raise error
    raise globals()[event]("m")
async def awaited(event, more): handler(event, more)
def streamed(event, more):
    yield "x"
    handler(event, more)
"""
#: The error type and the message.
REPORTS = {
    "MetaName": ("MetaName", "m"),
    "MetaAll": ("MetaAll", "m"),
    "MetaNumber": ("MetaNumber", "m"),
    "Chain": ("Chain", "m"),
    "Class": ("Class", "m"),
    "Attributes": ("Attributes", "m"),
    "Lies": ("Lies", "m"),
    "Falsy": ("Falsy", "m"),
    "Typed": ("Runtime.UnmarshalError", "m"),
    "StrOfItsOwn": ("StrOfItsOwn", "m"),
    "StrNumber": ("StrNumber", "<StrNumber without text: str() raised TypeError>"),
    "StrExits": ("StrExits", "<StrExits without text: str() raised SystemExit>"),
    "StrRecurs": ("StrRecurs", "<StrRecurs without text: str() raised RecursionError>"),
    "Exit": ("Runtime.ExitError", "m"),
    "Long": ("L" * 1000, "m"),
    "Odd": ("a\r\nX: b\x1b\x7f\u2028", "m"),
}


@pytest.fixture(scope="module", params=["standard", "lambda"])
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """One runtime for them all; an exception that ends it fails the rest."""
    root = write(Path(tmp_path_factory.mktemp("hostile")), {"app.py": SOURCE})
    env = {"HANDLER": "app.handler", "HANDLER_CONVENTION": request.param}
    with Runtime(COMMAND, root, env) as one:
        one.convention = request.param  # type: ignore[attr-defined]
        yield one


def test_classes(runtime: Runtime) -> None:
    """What their names, texts and attributes do costs no more than what it would have said."""
    found = {}
    for name in REPORTS:
        answer = runtime.invoke(f'"{name}"'.encode())
        report, kind = answer.report, answer.request.header("Lambda-Runtime-Function-Error-Type") or ""
        found[name] = (report["errorType"], report["errorMessage"])
        assert len(kind) <= 1024
        assert kind.isprintable()
        assert name == "Typed" or "app.py" in report["stackTrace"][0]  # `lambda` shows no frames of our own errors
    assert REPORTS == found


def invoke(runtime: Runtime, what: str) -> tuple[Any, list[str]]:
    """The report and its stack trace."""
    report = runtime.invoke(f'"{what}"'.encode()).report
    return report, report["stackTrace"]


def test_deep_traces(runtime: Runtime) -> None:
    """Of 40,000 frames the first and last hundreds are there, and how many are not."""
    report, trace = invoke(runtime, "deep")
    assert "ZeroDivisionError" == report["errorType"]
    assert (501, "  [39502 frames left out]\n") == (len(trace), trace[200])
    assert "in handler" in trace[0]
    assert "1 / 0" in trace[-1]


@pytest.mark.parametrize("what", ["chain", "group"])
def test_long_chains(runtime: Runtime, what: str) -> None:
    """So are a hundred causes or members."""
    trace = invoke(runtime, what)[1]
    assert len(trace) <= 110
    if runtime.convention == "standard":  # type: ignore[attr-defined]
        assert "More causes left out: the first 100 exceptions are above\n" == trace[-1]


def test_large_messages(runtime: Runtime) -> None:
    """A report that is larger than what Lambda takes is cut, not lost."""
    answer = runtime.invoke(b'"large"')
    assert len(answer.body) < 6 * 1024 * 1024
    assert "ValueError" == answer.report["errorType"]
    assert answer.report["errorMessage"].startswith("xxxxx")


@pytest.mark.parametrize("convention", ["standard", "lambda"])
@pytest.mark.parametrize("line", ["1 / 0  # {}", "1 / len(\n    '{}'[:0]\n)", "1 / len('{}'[:0])"])
def test_long_source_lines(tmp_path: Path, convention: str, line: str) -> None:
    """Of a line like those of generated code, or with data in it, the beginning is there."""
    source = "def handler(event, more):\n    " + line.format("x" * 100_000) + "\n"
    env = {"HANDLER": "app.handler", "HANDLER_CONVENTION": convention}
    with Runtime(COMMAND, write(tmp_path, {"app.py": source}), env) as one:
        answer = one.invoke(b"1")
    assert "1 / " in answer.report["stackTrace"][0]
    assert len(answer.body) < 3000


@pytest.mark.parametrize(
    ("what", "words"),
    [("notes", ["row 17\nof orders.csv\n", "5\n"]), ("odd notes", ["5\n"]), ("hostile notes", [])],
)
def test_notes(runtime: Runtime, what: str, words: list[str]) -> None:
    """Notes are in the report and in the log behind the frames; in `lambda`, as under AWS's runtime, they are not."""
    expected = words if runtime.convention == "standard" else []  # type: ignore[attr-defined]
    assert expected == invoke(runtime, what)[1][1:]
    if what == "notes":
        assert bool(expected) == ("row 17\rof orders.csv\r5\n" in runtime.child.output["stderr"].decode())


@pytest.mark.parametrize("handler", ["awaited", "streamed"])
def test_ways_to_raise(tmp_path: Path, handler: str) -> None:
    """An `async def` and a stream end with such an exception, too: the event loop stops, the trailers have the report."""
    with Runtime(COMMAND, write(tmp_path, {"app.py": SOURCE}), {"HANDLER": f"app.{handler}"}) as one:
        for name in ("Lies", "Class", "Falsy"):
            answer = one.invoke(name.encode())
            trailers = answer.request.trailers
            kind = trailers.get("lambda-runtime-function-error-type") if trailers else answer.report["errorType"]
            assert name == kind


#: Import and syntax errors that a module raises itself, with attributes that are not what Python's own have.
ODD_ATTRIBUTES = {
    "SyntaxError": "error = SyntaxError('m')\nerror.filename, error.lineno, error.text = 5, 'x', b'x'\nraise error\n",
    "ModuleNotFoundError": "raise ModuleNotFoundError('m', name=5)\n",
    "Own": "class Own(ModuleNotFoundError): name = property(lambda self: 1 / 0)\nraise Own('m')\n",
}


@pytest.mark.parametrize("kind", ODD_ATTRIBUTES)
@pytest.mark.parametrize("convention", ["standard", "lambda"])
def test_odd_attributes_at_import(tmp_path: Path, kind: str, convention: str) -> None:
    """The error is reported under its own name, not one that came of reading its attributes."""
    env = {"HANDLER": "app.handler", "HANDLER_CONVENTION": convention}
    with Runtime(COMMAND, write(tmp_path, {"app.py": ODD_ATTRIBUTES[kind]}), env) as one:
        failed = one.failed()
    assert (kind, "m") == (failed.type, failed.report["errorMessage"])


@pytest.mark.skipif(sys.platform != "linux", reason="the paths are Linux's")
def test_headings(tmp_path: Path) -> None:
    """A trace without frames has no heading, and an error without a message no colon."""
    root = write(tmp_path, {"app.py": "", "bare.py": "try: raise KeyError\nexcept KeyError: raise ValueError\n"})
    for handler, expected in (
        (
            "nosuch.handler",
            ["[ERROR] Runtime.ImportModuleError: no module nosuch", "Caused by ModuleNotFoundError: No"],
        ),
        ("bare.handler", ["[ERROR] ValueError", "Traceback (most recent call last):"]),
    ):
        with Runtime(COMMAND, root, {"HANDLER": handler}) as one:
            log = one.failed().log.replace("\r", "\n").splitlines()
        assert [True, True] == [line.startswith(start) for line, start in zip(log, expected, strict=False)], log
    assert "Raised while handling KeyError" in log
