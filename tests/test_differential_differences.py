"""Where this runtime differs from AWS's own on purpose: both behaviours of every row of docs/coming-from/differences.md."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from support.api import event, refusal
from support.differential import LAMBDA, MANAGED, SAMPLES, Case, Outcome, Side, asking
from support.files import write
from support.runtime import BOTH, start

PAGE = Path(__file__).parents[1] / "docs" / "coming-from" / "differences.md"
PLAIN = LAMBDA
AWS = {**LAMBDA, **MANAGED}

Test = TypeVar("Test")
Pair = Callable[..., tuple[Side, Side]]
ECHO = "def handler(event, context):\n    return event\n"
EVENT = Case("event", b'{"a": 1}')


ROWS: set[str] = set()


def row(name: str) -> Callable[[Test], Test]:
    """Note that the test is one of a row of the page."""
    ROWS.add(name)
    return lambda test: test


@pytest.fixture
def pair(tmp_path: Path) -> Any:
    """Start both on a module's text, or on the sample handler: `pair(source, env)`."""
    with ExitStack() as stack:

        def start(
            source: str | None = None, env: Mapping[str, str] = AWS, handler: str = "app.handler", **files: str
        ) -> tuple[Side, Side]:
            root = SAMPLES if source is None else write(tmp_path / "task", {"app.py": source, **files})
            theirs, ours = (stack.enter_context(Side(name, handler, root, env)) for name in BOTH)
            return theirs, ours

        yield start


def both(sides: tuple[Side, Side], case: Case) -> tuple[Outcome, Outcome]:
    """What became of the event here and there."""
    theirs, ours = (side.run(case) for side in sides)
    return theirs, ours


def died(outcome: Outcome) -> bool:
    """Whether the environment ended without an answer."""
    return not outcome.posts and outcome.status is not None


def failed(outcome: Outcome) -> tuple[str, str]:
    """The type and the message of the one error report, from an environment that goes on."""
    assert (None, 1, "error") == (outcome.status, len(outcome.posts), outcome.posts[0].route.rpartition("/")[2])
    return outcome.posts[0].value["errorType"], outcome.posts[0].value["errorMessage"]


def answered(outcome: Outcome) -> bytes:
    """The one answer, from an environment that goes on."""
    assert (None, 1, "response") == (outcome.status, len(outcome.posts), outcome.posts[0].route.rpartition("/")[2])
    return outcome.posts[0].body


@row("non-ascii")
@pytest.mark.parametrize(
    ("source", "theirs", "ours"), [("'ü'", rb'"\u00fc"', '"ü"'), ("'\\x7f'", rb'"\u007f"', '"\x7f"')]
)
def test_non_ascii(pair: Pair, source: str, theirs: bytes, ours: str) -> None:
    """In a container image AWS's client escapes what is not ASCII; we send UTF-8 everywhere."""
    two = both(pair(env=PLAIN), asking("value", do="value", source=source))
    assert (theirs, ours.encode()) == tuple(map(answered, two))


@row("exit")
@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("exit_with_text", 1, "a reason"),
        ("exit_with_status", 3, "the handler called sys.exit(3)"),
        ("exit_with_nothing", 0, "the handler called sys.exit()"),
    ],
)
def test_exit(pair: Pair, name: str, status: int, message: str) -> None:
    """sys.exit() in a handler kills AWS's environment; here it fails the invocation."""
    theirs, ours = both(pair(), asking("exit", do="fail", name=name))
    assert status == theirs.status
    assert died(theirs)
    assert ("Runtime.ExitError", message) == failed(ours)


@row("base-exceptions")
@pytest.mark.parametrize(
    ("name", "report"), [("interrupt", ("KeyboardInterrupt", "")), ("base", ("Base", "a message"))]
)
def test_base_exceptions(pair: Pair, name: str, report: tuple[str, str]) -> None:
    """An exception that is no Exception kills AWS's environment; here it is reported."""
    theirs, ours = both(pair(), asking("base", do="fail", name=name))
    assert report == failed(ours)
    assert died(theirs)


@row("unprintable")
def test_unprintable(pair: Pair) -> None:
    """An exception whose str() fails kills AWS's environment; here it is reported."""
    theirs, ours = both(pair(), asking("unprintable", do="fail", name="unprintable"))
    expected = ("Unprintable", "<Unprintable without text: str() raised RuntimeError>")
    assert expected == failed(ours)
    assert died(theirs)


@row("lone-surrogates")
def test_lone_surrogate_in_a_message(pair: Pair) -> None:
    """A lone surrogate in an exception's message kills AWS's environment; here it is reported, escaped."""
    theirs, ours = both(pair(), asking("surrogate", do="fail", name="lone_surrogate"))
    assert ("ValueError", "lone \ud800") == failed(ours)
    assert died(theirs)


@row("lone-surrogates")
def test_lone_surrogate_in_an_answer(pair: Pair) -> None:
    """A lone surrogate in an answer kills AWS's managed environment; here the answer is sent escaped."""
    theirs, ours = both(pair(), asking("surrogate", do="value", source="['\\ud800', 'ü']"))
    assert rb'["\ud800", "\u00fc"]' == answered(ours)
    assert died(theirs)


@row("lone-surrogates")
def test_lone_surrogate_in_a_print(pair: Pair) -> None:
    """Printing a lone surrogate fails under AWS's client; here it is printed escaped."""
    theirs, ours = both(pair(), asking("surrogate", do="value", source="print('\\ud800')"))
    assert ("UnicodeEncodeError", (b"null", "\\ud800\n")) == (failed(theirs)[0], (answered(ours), ours.log))


@row("content-type")
@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON"]
)
def test_content_type(pair: Pair, content_type: str) -> None:
    """AWS's client hands over bytes for any content type but exactly application/json; here parameters don't matter."""
    case = Case("content type", b'{"a": 1}', {"Content-Type": content_type})
    theirs, ours = both(pair("def handler(event, context):\n    return str(type(event))\n"), case)
    assert (b"\"<class 'bytes'>\"", b"\"<class 'dict'>\"") == (answered(theirs), answered(ours))


@row("no-content-type")
def test_no_content_type(pair: Pair) -> None:
    """Without a content type AWS's client crashes; here the event is JSON."""
    theirs, ours = both(pair(ECHO), Case("no content type", b'{"a": 1}', {"Content-Type": None}))
    assert b'{"a": 1}' == answered(ours)
    assert died(theirs)


ASYNC = {
    "coroutine": "async def handler(event, context):\n    return event\n",
    "generator": "def handler(event, context):\n    yield '{\"a\"'\n    yield b': 1}'\n",
    "async generator": "async def handler(event, context):\n    yield '{\"a\": 1}'\n",
}


@row("async")
@pytest.mark.parametrize("kind", ASYNC)
def test_async_and_generators(pair: Pair, kind: str) -> None:
    """AWS's client cannot send coroutines and generators; here the one is awaited, the other streamed."""
    theirs, ours = both(pair(ASYNC[kind]), EVENT)
    assert ("Runtime.MarshalError", b'{"a": 1}') == (failed(theirs)[0], answered(ours))
    mode = None if kind == "coroutine" else "streaming"
    assert mode == ours.posts[0].headers["Lambda-Runtime-Function-Response-Mode"]


@row("xray-ascii")
def test_xray_cause_in_ascii(pair: Pair) -> None:
    """AWS's managed client puts UTF-8 into a header; here the X-Ray cause is ASCII, as headers have to be."""
    theirs, ours = both(pair(), asking("cause", do="fail", name="unicode"))
    assert theirs.posts[0].value == ours.posts[0].value
    messages = [outcome.posts[0].cause["exceptions"][0]["message"] for outcome in (theirs, ours)]
    assert messages[0].encode("latin-1").decode() == messages[1] == ours.posts[0].value["errorMessage"]


@row("frames")
def test_frames_of_the_runtime(pair: Pair) -> None:
    """A handler that takes too few arguments: AWS's trace shows AWS's frame, ours shows none of the runtime's."""
    theirs, ours = both(pair("def handler(event):\n    return event\n"), EVENT)
    assert failed(theirs) == failed(ours)
    assert [] == ours.posts[0].value["stackTrace"]
    assert "awslambdaric" in theirs.posts[0].value["stackTrace"][0]


@row("frames")
def test_frames_of_a_users_bootstrap(pair: Pair) -> None:
    """AWS's client takes a user's bootstrap.py for its own; here the frames are the user's."""
    source = "def handler(event, context):\n    return 1 / 0\n"
    theirs, ours = both(pair(source, handler="bootstrap.handler", **{"bootstrap.py": source}), EVENT)
    counts = [len(outcome.posts[0].value["stackTrace"]) for outcome in (theirs, ours)]
    assert [2, 1] == counts
    assert "bootstrap.py" in ours.posts[0].value["stackTrace"][0]


@row("frames")
def test_context_headers_of_another_shape(pair: Pair) -> None:
    """A client context that is no object fails likewise, without the runtime's frames."""
    case = asking("list", {"Lambda-Runtime-Client-Context": "[]"}, do="attributes")
    theirs, ours = both(pair(), case)
    assert failed(theirs) == failed(ours)
    assert [] == ours.posts[0].value["stackTrace"]
    assert theirs.posts[0].value["stackTrace"]


DEEP = """
import sys
def down(n): return up(n - 1) if n else 1 / 0
def up(n): return down(n - 1) if n else 1 / 0
def handler(event, context):
    sys.setrecursionlimit(10_000)
    down(2_000)
"""


@row("long-traces")
def test_long_traces(pair: Pair) -> None:
    """Of a long trace the middle is left out; the rest is the same."""
    theirs, ours = (one.posts[0].value["stackTrace"] for one in both(pair(DEEP), EVENT))
    assert (2002, 501) == (len(theirs), len(ours))
    assert (theirs[1:200], theirs[-300:]) == (ours[1:200], ours[-300:])
    assert "  [1502 frames left out]\n" == ours[200]


@row("recursion")
def test_recursion(pair: Pair) -> None:
    """How many frames an endless recursion has depends on those of the runtime below it; the rest is the same."""
    theirs, ours = both(pair(), asking("recursion", do="fail", name="recursion"))
    assert failed(theirs) == failed(ours)
    traces = [outcome.posts[0].value["stackTrace"] for outcome in (theirs, ours)]
    times = [int(re.findall(r"repeated (\d+) more times", trace[-1])[0]) for trace in traces]
    assert traces[0][:-1] == traces[1][:-1]
    assert abs(times[0] - times[1]) < 20


@row("traceback-line-end")
def test_line_end_behind_a_traceback(pair: Pair) -> None:
    """In AWS's text format a record with a traceback has no line end, so that the next runs into it; here it has one."""
    theirs, ours = both(pair(), asking("traced", do="traced"))
    assert theirs.log + "\n" == ours.log


@row("asdict")
@pytest.mark.parametrize(("kind", "ours_is"), [("dict", b"{}"), ("list", b"[]")])
def test_asdict_of_a_container(pair: Pair, kind: str, ours_is: bytes) -> None:
    """AWS's client sends what `_asdict()` of a dictionary or a list gives; here it is a dictionary or a list like any."""
    source = (
        f"class Own({kind}):\n    def _asdict(self):\n        return {{'a': 1}}\n\ndef handler(*_):\n    return Own()\n"
    )
    theirs, ours = both(pair(source), EVENT)
    assert (b'{"a": 1}', ours_is) == (answered(theirs), answered(ours))


@row("log-call")
def test_record_that_cannot_be_formatted(pair: Pair) -> None:
    """AWS's client lets the error of a log call out; here it is noted, as everywhere in Python."""
    source = "import logging\ndef handler(event, context):\n    logging.warning('%d', 'x')\n    return event\n"
    theirs, ours = both(pair(source), EVENT)
    assert ("TypeError", b'{"a": 1}') == (failed(theirs)[0], answered(ours))
    assert "--- Logging error ---" in ours.log


@row("log-stream")
def test_standard_stream_of_the_log(tmp_path: Path) -> None:
    """AWS's client writes records and reports to standard output, this runtime to standard error."""
    root = write(
        tmp_path, {"app.py": "import logging\ndef handler(event, context):\n    logging.warning('TOLD')\n    1 / 0\n"}
    )
    used = []
    for name in BOTH:
        with start(name, "app.handler", root, PLAIN) as runtime:
            runtime.api.hand_out(event(b"{}"))
            runtime.child.wait_log("TOLD")
            runtime.child.wait_log("ZeroDivisionError")
            output = runtime.child.output
        used.append([name for name, text in output.items() for word in (b"TOLD", b"ZeroDivision") if word in text])
    assert [["stdout", "stdout"], ["stderr", "stderr"]] == used


@row("init-content-type")
@row("init-warning")
def test_init_error_without_a_warning(pair: Pair) -> None:
    """AWS's client blames updates of AWS's runtime before each init error; here the error alone is logged."""
    theirs, ours = (side.start() for side in pair("import missing_module\n"))
    assert "[ERROR]" == ours.log.split()[0]
    assert theirs.log.startswith("[WARNING]")
    assert [None, "application/json"] == [outcome.posts[0].headers["Content-Type"] for outcome in (theirs, ours)]


@row("init-unicode")
def test_init_error_beyond_latin_1(pair: Pair) -> None:
    """AWS's managed client sends init errors in Latin-1 and crashes beyond it; here they are UTF-8."""
    theirs, ours = (side.start() for side in pair("raise ValueError('\\u20ac')\n"))
    assert (1, []) == (theirs.status, theirs.posts)
    assert (1, "€") == (ours.status, ours.posts[0].value["errorMessage"])


@row("init-exit")
def test_exit_at_import(pair: Pair) -> None:
    """sys.exit() at import ends AWS's environment without a word; here it is an init error."""
    theirs, ours = (side.start() for side in pair("import sys\nsys.exit(3)\n"))
    assert (3, []) == (theirs.status, theirs.posts)
    assert (1, "Runtime.ExitError") == (ours.status, ours.posts[0].headers["Lambda-Runtime-Function-Error-Type"])


@row("not-callable")
def test_handler_that_cannot_be_called(pair: Pair) -> None:
    """A handler that is no callable fails each of AWS's invocations; here it is an init error."""
    theirs, ours = pair("handler = 1\n")
    assert ("TypeError", "'int' object is not callable") == failed(theirs.run(EVENT))
    assert "Runtime.HandlerNotFound" == ours.start().posts[0].headers["Lambda-Runtime-Function-Error-Type"]


@row("handler-strings")
@pytest.mark.parametrize("handler", [".handler", "app.", "app..handler", "..app.handler", "sys/deeper.handler"])
def test_handler_strings_that_name_nothing(pair: Pair, handler: str) -> None:
    """A handler string that no module can have is an init error of both, with words of our own."""
    theirs, ours = (side.start() for side in pair(ECHO, handler=handler))
    assert (1, 1, 1, 1) == (theirs.status, ours.status, len(theirs.posts), len(ours.posts))
    assert theirs.posts[0].value["errorType"] != ours.posts[0].value["errorType"]


@row("too-large")
def test_answer_that_is_too_large(pair: Pair) -> None:
    """AWS's client sends an answer of any size and dies of the refusal; here the error names the size, and it goes on."""
    theirs, ours = pair(f"def handler(event, context):\n    return 'x' * {6 * 1024 * 1024 + 200}\n")
    theirs.api.answer_posts(refusal(413, "RequestEntityTooLarge"))
    assert 1 == theirs.run(EVENT).status
    kind, message = failed(ours.run(EVENT))
    assert "Function.ResponseSizeTooLarge" == kind
    assert "6291658 bytes" in message


@row("refused")
def test_refused_answer(pair: Pair) -> None:
    """An answer that is refused kills AWS's environment; here it is logged."""
    theirs, ours = pair(ECHO)
    for side in (theirs, ours):
        side.api.answer_posts(refusal(400, "InvalidRequestID"))
    assert [1, None] == [outcome.status for outcome in both((theirs, ours), EVENT)]
    assert b'{"a": 1}' == answered(ours.run(Case("another", b'{"a": 1}')))
    assert "InvalidRequestID" in ours.child.log


@row("poll-retried")
def test_poll_that_fails(pair: Pair) -> None:
    """A poll that fails ends AWS's client; here it is tried again."""
    theirs, ours = pair(ECHO)
    for side in (theirs, ours):
        side.api.hand_out(refusal(403))
    assert 1 == theirs.child.wait()
    assert b'{"a": 1}' == answered(ours.run(EVENT))


@row("sigterm")
def test_sigterm(pair: Pair) -> None:
    """SIGTERM kills AWS's client where it stands; here atexit functions run, and the status is 0."""
    source = "import atexit\natexit.register(print, 'cleaned up')\n" + ECHO
    sides = pair(source)
    both(sides, EVENT)
    for side in sides:
        side.child.signal(signal.SIGTERM)
    assert [-signal.SIGTERM, 0] == [side.child.wait() for side in sides]
    assert ["", "cleaned up\n"] == [side.child.log for side in sides]


@row("streams")
def test_class_of_the_streams(pair: Pair) -> None:
    """AWS's client wraps the standard streams in a class of its own; here they are what Python makes them."""
    theirs, ours = both(pair(), asking("streams", do="value", source="type(sys.stdout).__name__"))
    assert (b'"Unbuffered"', b'"TextIOWrapper"') == (answered(theirs), answered(ours))


@row("user-agent")
def test_user_agent(pair: Pair) -> None:
    """Each client tells the Runtime API its own name."""
    sides = pair(ECHO)
    both(sides, EVENT)
    agents = [side.api.finished("GET", "next")[0].header("User-Agent") or "" for side in sides]
    assert agents[0].endswith("aws-lambda-python/" + agents[0].rpartition("/")[2])
    assert "dispatch/" in agents[1]
    assert sys.version.split()[0] in agents[1]


def test_every_row_has_its_test() -> None:
    """The rows of the page and the marks of these tests are the same."""
    rows = set(re.findall(r'^\| <a id="([\w-]+)"', PAGE.read_text(), re.MULTILINE))
    assert rows == ROWS
