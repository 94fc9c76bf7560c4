"""What a third party's convention sees and may do: all that a built-in one can."""

from __future__ import annotations

import functools
import inspect
import json
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.files import Files
from support.runtime import Ask, Fail, Serve

from dispatch.asynchrony import plain

PLUGINS = Path(__file__).parent / "samples_plugins"
KINDS = {"def": ("def", "return"), "async def": ("async def", "return"), "generator": ("def", "yield")}


def with_plugin(name: str, app: str, file: str = "app.py") -> tuple[Files, dict[str, str]]:
    """A task root that holds the plugin beside the handler; the variable that asks for it."""
    return {file: app, f"{name}.py": (PLUGINS / f"{name}.py").read_text()}, {"HANDLER_PLUGINS": name}


@pytest.mark.parametrize("kind", KINDS)
def test_keyword_arguments(ask: Ask, kind: str) -> None:
    """A convention calls the function by keyword, whatever the function is made with."""
    word, verb = KINDS[kind]
    files, env = with_plugin("spread", f"{word} handler(*, name, times=2):\n    {verb} name * times\n")
    answer = ask(files, b'{"name": "ab", "times": 3}', convention="spread", env=env)
    assert (b"ababab" if verb == "yield" else b'"ababab"') == answer.body


def test_refusing_an_event(ask: Ask) -> None:
    """What dispatch exports is enough to refuse an event."""
    files, env = with_plugin("spread", "def handler(**fields): return fields\n")
    report = ask(files, b"[1]", convention="spread", env=env).report
    assert ("Runtime.UnmarshalError", "the event is list, not an object") == (
        report["errorType"],
        report["errorMessage"],
    )


MAINS = {
    "two": ("def main(event, headers): return event + str('x-none' in headers)", b"heyFalse"),
    "one": ("def main(event): return event", b"hey"),
    "none": ("def main(): return 'nothing'", b"nothing"),
    "async": ("async def main(event): return event", b"hey"),
    "decorated": (
        "import functools\ndef twice(f):\n    return functools.wraps(f)(lambda *a: 2 * f(*a))\n@twice\ndef main(event): return event",
        b"heyhey",
    ),
    "object": ("class Main:\n    def __call__(self, event): return event\nmain = Main()", b"hey"),
    "partial": ("import functools\nmain = functools.partial(lambda more, event: event + more, '!')", b"hey!"),
    "method": ("class Main:\n    def run(self, event): return event\nmain = Main().run", b"hey"),
}


@pytest.mark.parametrize("handler", ["app.main", "app.py"])
@pytest.mark.parametrize(("source", "expected"), MAINS.values(), ids=MAINS)
def test_signature(ask: Ask, handler: str, source: str, expected: bytes) -> None:
    """A convention fits its arguments to the signature of a function or of a script's main()."""
    files, env = with_plugin("fitting", f"{source}\n")
    assert expected == ask(files, b"hey", handler, "fitting", env=env).body


POINT = """
from __future__ import annotations
import dataclasses
@dataclasses.dataclass
class Point:
    x: int
    y: int = 0
{decorator}
{word} handler(event: Point):
    return event.x + event.y
"""


@pytest.mark.parametrize("word", ["def", "async def"])
def test_type_hints(ask: Ask, word: str) -> None:
    """A convention validates by the annotation of the first parameter, also where annotations are strings."""
    files, env = with_plugin("validated", POINT.format(word=word, decorator=""))
    assert b"3" == ask(files, b'{"x": 1, "y": 2}', convention="validated", env=env).body


def test_refused_by_type_hint(ask: Ask) -> None:
    """What does not fit the annotation is refused."""
    files, env = with_plugin("validated", POINT.format(word="def", decorator=""))
    answer = ask(files, b'{"z": 1}', convention="validated", env=env)
    assert "Runtime.UnmarshalError" == answer.report["errorType"]


OBJECTS = {
    "class": "class App:\n    def on_event(self, text): return text.upper()\napp = App",
    "object": "class App:\n    def on_event(self, text): return text.upper()\napp = App()",
    "async": "class App:\n    async def on_event(self, text): return text.upper()\napp = App()",
    "module": "import sys\ndef on_event(text): return text.upper()\napp = sys.modules[__name__]",
}


@pytest.mark.parametrize("source", OBJECTS.values(), ids=OBJECTS)
def test_objects(ask: Ask, source: str) -> None:
    """A convention that accepts objects gets the very thing that the handler string names."""
    files, env = with_plugin("application", f"{source}\n")
    assert b"HEY" == ask(files, b"hey", "app.app", "application", env=env).body


def test_object_that_cannot_be_called(fail: Fail) -> None:
    """Any other convention refuses what cannot be called, before the first event."""
    failed = fail("class App: pass\napp = App()\n", "app.app")
    assert "Runtime.HandlerNotFound" == failed.type
    assert "app in the module app is not callable: App <app.App object" in failed.report["errorMessage"]


OWN_WORDS = """
from dispatch import respond
def worded(function):
    def handle(invocation):
        return respond(function(invocation.text), str, "text/plain")
    handle.report = report
    return handle
def report(error, request_id):
    {body}
{more}
def dispatch_conventions():
    return {{"worded": worded}}
"""


def words(ask: Ask, body: str, more: str = "", handler: str = "def handler(event): raise KeyError(event)") -> Any:
    """The answer to an event that fails, with a plugin that words the report so."""
    files = {"app.py": f"{handler}\n", "own.py": OWN_WORDS.format(body=body, more=more)}
    return ask(files, b"hey", convention="worded", env={"HANDLER_PLUGINS": "own"})


def test_own_report(ask: Ask) -> None:
    """A handler's report is what the Runtime API is sent, with what it leaves out filled in, and its type in the header."""
    answer = words(ask, "return {'errorMessage': 'own words', 'errorType': 'Own.Type', 'code': 7, 'more': [1, {}]}")
    report = answer.report
    assert "error" == answer.kind
    assert answer.request.header("Lambda-Runtime-Function-Error-Type") == report["errorType"] == "Own.Type"
    assert ("own words", 7, [1, {}]) == (report["errorMessage"], report["code"], report["more"])
    assert "app.py" in "".join(report["stackTrace"])
    assert report["requestId"] in answer.request.route


ODD = [
    *(
        "1 / 0",
        "return None",
        "return 5",
        "raise KeyError(request_id)",
        "raise SystemExit(3)",
        "return {'stackTrace': 5}",
    ),
    *("return {'stackTrace': None, 'errorType': '', 'errorMessage': None}", "import asyncio; return asyncio.sleep(0)"),
]


@pytest.mark.parametrize("body", ODD)
def test_report_that_fails(ask: Ask, body: str) -> None:
    """Where a handler's own report fails or is none, the error is reported as usual."""
    assert "KeyError" == words(ask, body).report["errorType"]


def test_report_of_other_types(serve: Serve) -> None:
    """What is not text becomes text, and the environment lives on."""
    body = "return {'errorMessage': error, 'errorType': KeyError, 'stackTrace': [1, None], 'own': {1, 2}, 3: b'x'}"
    files = {
        "app.py": "def handler(event): raise KeyError(event)\n",
        "own.py": OWN_WORDS.format(body=body, more=""),
    }
    runtime = serve(files, "app.handler", "worded", env={"HANDLER_PLUGINS": "own"})
    reports = [runtime.invoke(b"hey").report for _ in range(2)]
    assert ["'hey'", "'hey'"] == [report["errorMessage"] for report in reports]
    assert (["1", "None"], "<class 'KeyError'>") == (reports[0]["stackTrace"], reports[0]["errorType"])


def test_own_report_of_a_stream(ask: Ask) -> None:
    """A failure after the first chunk is worded by the handler as well."""
    answer = words(ask, "return {'errorType': 'Own.Type'}", handler="def handler(event):\n    yield 'a'\n    1 / 0")
    assert "Own.Type" == answer.request.trailers["lambda-runtime-function-error-type"]


def test_own_report_of_an_init_error(fail: Fail) -> None:
    """A convention words what fails before there is a handler."""
    more = "worded.report = lambda error, request_id: {'errorMessage': 'own words'}"
    files = {"app.py": "1 / 0\n", "own.py": OWN_WORDS.format(body="pass", more=more)}
    failed = fail(files, convention="worded", env={"HANDLER_PLUGINS": "own"})
    assert ("ZeroDivisionError", "own words") == (failed.type, failed.report["errorMessage"])


def test_own_reading_of_handler_strings(ask: Ask) -> None:
    """A convention that is asked for by name may read handler strings in a way of its own."""
    source = """
from dispatch import Target, respond
def told(function):
    return lambda invocation: respond(function(), str, "text/plain")
told.locate = lambda spec, root: Target("told", "a greeting", lambda: lambda: f"hello {spec}") if ":" in spec else None
def dispatch_conventions():
    return {"told": told}
"""
    files = {"own.py": source, "app.py": "def handler(): return 'as usual'\n"}
    env = {"HANDLER_PLUGINS": "own"}
    assert b"hello a:b" == ask(files, handler="a:b", convention="told", env=env).body
    assert b"as usual" == ask(files, handler="app.handler", convention="told", env=env).body


def test_a_convention_on_another(ask: Ask) -> None:
    """A convention may be built on a built-in one, and keeps its error reports if it hands them on."""
    source = """
import functools
from conventions.json import json
def doubled(function):
    @functools.wraps(function)
    def twice(event, headers):
        return [function(event, headers)] * 2
    return json(twice)
def dispatch_conventions():
    return {"doubled": doubled}
"""
    files = {"own.py": source, "app.py": "async def handler(event, headers): return event\n"}
    assert [1, 1] == json.loads(ask(files, b"1", convention="doubled", env={"HANDLER_PLUGINS": "own"}).body)


def test_async_marks(serve: Serve) -> None:
    """Calling what a convention gets never returns anything async, and nothing about it says otherwise."""
    source = """
import inspect
from dispatch import respond
def asked(function):
    told = [inspect.iscoroutinefunction(function), inspect.isasyncgenfunction(function)]
    return lambda invocation: respond(f"{told} {function(1)}", str, "text/plain")
def dispatch_conventions():
    return {"asked": asked}
"""
    # The mark is of Python 3.12.
    mark = "getattr(inspect, 'markcoroutinefunction', lambda function: function)"
    app = f"import inspect\n@{mark}\nasync def handler(number): return number\n"
    runtime = serve({"own.py": source, "app.py": app}, "app.handler", "asked", env={"HANDLER_PLUGINS": "own"})
    assert b"[False, False] 1" == runtime.invoke(b"").body


def documented(event: int, *, more: str = "x") -> list[Path]:
    """What this function says."""
    return [Path(str(event) + more)]


class Called:
    """An object that is called."""

    field: int

    def __call__(self, event: Path) -> bytes:
        """What this object does."""
        return str(event).encode()


@functools.cache
def cached(event: int) -> int:
    """What a cached function says."""
    return event


LOOKS: dict[str, Callable[..., Any]] = {
    "function": documented,
    "object": Called(),
    "bound method": Called().__call__,
    "cached": cached,
    "class": Path,
    "partial": functools.partial(documented, 1),
    "built-in": len,
}


@pytest.mark.parametrize("name", LOOKS)
def test_looks(name: str) -> None:
    """What can be seen of the user's callable can be seen of what a convention gets."""
    theirs = LOOKS[name]
    ours = plain(theirs)
    assert inspect.signature(theirs) == inspect.signature(ours)
    seen = [name for name in ("__name__", "__qualname__", "__module__", "__doc__") if hasattr(theirs, name)]
    assert [getattr(theirs, name) for name in seen] == [getattr(ours, name) for name in seen]


def test_hints() -> None:
    """Type hints are resolved where the user's function is, also those of an object's __call__."""
    assert typing.get_type_hints(documented) == typing.get_type_hints(plain(documented))
    assert {"event": Path, "return": bytes} == typing.get_type_hints(plain(Called()))
    assert {} == typing.get_type_hints(plain(Path))


STARTING = """
def own(function):
    def handle(invocation):
        print("EVENT")
        return Response(b"done")

    def startup():
        print("STARTUP")
        if function is None:
            raise LookupError("no database")

    def shutdown():
        print("SHUTDOWN")
        if invoked():
            raise LookupError("cannot stop")

    handle.startup, handle.shutdown = startup, shutdown
    return handle

own.accepts_object = True
def dispatch_conventions():
    return {"own": own}
def dispatch_startup(function):
    print("HOOK startup")
def dispatch_shutdown(reason):
    print("HOOK shutdown")
"""


def test_handlers_start_and_stop(serve: Serve, fail: Fail) -> None:
    """Before the hooks at the start and at the end, once; a failure is an init error at first, later only logged."""
    plugin = f"from dispatch import Response\ndef invoked():\n    return True\n{STARTING}"
    files = {"own.py": plugin, "app.py": "here = 1\nnothing = None\n"}
    runtime = serve(files, "app.here", "own", env={"HANDLER_PLUGINS": "own"})
    for _ in range(2):
        runtime.invoke()
    runtime.api.wait_for("GET", "next", 3)
    lines = [line for line in runtime.end().splitlines() if line.isupper() or "HOOK" in line or "cannot" in line]
    expected = ["STARTUP", "HOOK startup", "EVENT", "EVENT", "SHUTDOWN", "HOOK shutdown"]
    assert expected == [line for line in lines if "cannot" not in line]
    assert ["the handler did not end cleanly: cannot stop"] == [
        line.partition(": ")[2] or line for line in lines if "cannot" in line
    ]

    failed = fail(files, "app.nothing", "own", env={"HANDLER_PLUGINS": "own"})
    assert ("LookupError", "no database") == (failed.type, failed.report["errorMessage"])
