"""Error reports: shape, types, frames and causes."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.runtime import Ask, Serve
from support.text import missing

KEYS = {"errorMessage", "errorType", "requestId", "stackTrace"}
DEEP = """
class Own(Exception):
    pass
def inner(text):
    raise Own("inner " + text)
def handler(event, headers):
    {body}
"""
CONVENTIONS = ["standard", "json", "lambda"]


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_shape(ask: Ask, convention: str) -> None:
    """A report has its four members, the request's id, the class's name, and the user's frames only."""
    answer = ask(DEEP.format(body="inner('x')"), b"1", convention=convention)
    report = answer.report
    assert KEYS == set(report)
    request_id = answer.request.route.split("/")[1]
    assert ("Own", "inner x", request_id) == (report["errorType"], report["errorMessage"], report["requestId"])
    outer, inner = report["stackTrace"]
    assert [] == missing(outer, "app.py", "inner('x')")
    assert "app.py" in inner
    assert "application/json" == answer.request.header("Content-Type")


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("script", "def inner():\n    raise KeyError('x')\ninner()\n"),
        ("script main", "def main():\n    raise KeyError('x')\n"),
        ("stream", "def handler(input, output, headers):\n    raise KeyError('x')\n"),
        ("async", "async def handler(event, headers):\n    raise KeyError('x')\n"),
        ("generator", "def handler(event, headers):\n    raise KeyError('x')\n    yield\n"),
        ("async generator", "async def handler(event, headers):\n    raise KeyError('x')\n    yield\n"),
    ],
)
def test_own_frames_are_cut(ask: Ask, kind: str, source: str) -> None:
    """No frame of this project or of what it runs on is in the trace; the user's are."""
    script = kind.startswith("script")
    answer = ask({"app.py": source}, b"1", "app.py" if script else "app.handler", "stream" if kind == "stream" else "")
    trace = "".join(answer.report["stackTrace"])
    assert "app.py" in trace
    for ours in ("conventions/", "dispatch/", "runtime/", "asyncio", "runpy", "concurrent"):
        assert ours not in trace


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_frames_of_a_coroutine(ask: Ask, convention: str) -> None:
    """In every convention the event loop that ran it is left out."""
    report = ask("async def handler(event, more):\n    raise KeyError('x')\n", b"1", convention=convention).report
    (frame,) = report["stackTrace"]
    assert "app.py" in frame


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("try: inner('cause')\n    except Own as e: raise KeyError('outer') from e", ["inner cause", "Own"]),
        ("try: inner('context')\n    except Own: {}['outer']", ["inner context", "Own"]),
    ],
)
def test_chained_causes_are_kept(ask: Ask, body: str, words: list[str]) -> None:
    """What led to the exception is in its trace."""
    report = ask(DEEP.format(body=body)).report
    assert "KeyError" == report["errorType"]
    assert [] == missing("".join(report["stackTrace"]), *words)


def test_cause_that_is_false(ask: Ask) -> None:
    """A cause is kept whatever its truth value is."""
    body = "class Empty(Exception):\n        def __len__(self): return 0\n    raise KeyError from Empty('why')"
    assert "Caused by Empty: why\n" == ask(DEEP.format(body=body)).report["stackTrace"][-1]


def test_folder_named_like_a_library(serve: Serve, tmp_path: Path) -> None:
    """The user's frames are those of the user's files, whatever the folders are called that these are in."""
    root = tmp_path / "asyncio"
    root.mkdir()
    (root / "app.py").write_text(DEEP.format(body="inner('x')"))
    report = serve({}, "app.handler", env={"LAMBDA_TASK_ROOT": str(root)}).invoke(b"").report
    assert 2 == len(report["stackTrace"])


def test_suppressed_context_is_left_out(ask: Ask) -> None:
    """`from None` hides the context, as in Python's own trace."""
    body = "try: inner('hidden')\n    except Own: raise KeyError('outer') from None"
    assert "inner hidden" not in "".join(ask(DEEP.format(body=body)).report["stackTrace"])


NASTY = {
    "str fails": "class E(Exception):\n        def __str__(self): raise ValueError\n    raise E",
    "str is interrupted": "class E(Exception):\n        def __str__(self): raise KeyboardInterrupt\n    raise E",
    "str exits": "class E(Exception):\n        def __str__(self): raise SystemExit(3)\n    raise E",
    "lone surrogate": "raise KeyError('\\ud800')",
    "huge message": "raise KeyError('x' * 3_000_000)",
    "deep recursion": "handler(event, headers)",
    "cycle of causes": "e = KeyError('a'); e.__cause__ = ValueError('b'); e.__cause__.__cause__ = e; raise e",
    "group": "raise ExceptionGroup('several', [KeyError('a'), ValueError('b')])",
    "system exit": "raise SystemExit(0)",
    "system exit with words": "import sys; sys.exit('words')",
    "system exit without a text": "class E:\n        def __str__(self): raise ValueError\n    raise SystemExit(E())",
    "cause without a truth": "class E(Exception):\n        def __bool__(self): raise ValueError\n    raise KeyError from E()",
    "folder removed": "import os, tempfile; d = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d); raise KeyError",
    "keyboard interrupt": "raise KeyboardInterrupt",
    "generator exit": "raise GeneratorExit",
    "stop iteration": "raise StopIteration(5)",
    "base": "raise BaseException('base')",
    "no message": "raise KeyError",
    "newline and quotes": "raise KeyError('a\\n\"b\"\\r\\nX: y')",
    "cancelled": "import asyncio; raise asyncio.CancelledError",
}


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("body", NASTY.values(), ids=NASTY)
def test_nasty_exceptions(serve: Serve, convention: str, body: str) -> None:
    """Whatever a handler raises is reported in full shape, and the next event is served."""
    runtime = serve(
        f"def handler(event, headers):\n    if event in ('\"ok\"', 'ok'): return 'ok'\n    {body}\n",
        "app.handler",
        convention,
    )
    report = runtime.invoke(b"1").report
    assert KEYS == set(report)
    assert report["errorType"]
    assert b"ok" in runtime.invoke(b'"ok"').body
    runtime.child.wait_log("[ERROR]")


GROUP = """
def handler(event, headers):
    try:
        try:
            1 / 0
        except ZeroDivisionError as inner:
            raise KeyError("outer") from inner
    except KeyError as outer:
        raise ExceptionGroup("several", [ValueError("first"), ExceptionGroup("within", [outer])])
"""


def test_members_of_groups(ask: Ask) -> None:
    """Of an exception group every member is told, with its causes and its own members."""
    trace = "".join(ask(GROUP).report["stackTrace"])
    told = ["group: ValueError: first", "group: ExceptionGroup: within", "group: KeyError: 'outer'"]
    told += ["Caused by ZeroDivisionError: division by zero"]
    places = [trace.find(text) for text in told]
    assert sorted(places) == places
    assert -1 not in places


@pytest.mark.parametrize("kind", ["async def", "generator", "async generator"])
@pytest.mark.parametrize("error", ["SystemExit(3)", "KeyboardInterrupt", "StopIteration", "GeneratorExit"])
def test_nasty_exceptions_of_async_handlers(serve: Serve, kind: str, error: str) -> None:
    """The same for coroutines and generators: no exception ends the runtime."""
    word = "async def" if "async" in kind else "def"
    tail = "\n    yield 'x'" if "generator" in kind else "\n    return 'x'"
    runtime = serve(f"{word} handler(event, headers):\n    if event: raise {error}{tail}\n")
    assert ["error", "response"] == [runtime.invoke(body).kind for body in (b"1", b"")]


def test_error_is_logged(serve: Serve) -> None:
    """The log says what the report says: type, message and the user's frame."""
    runtime = serve(DEEP.format(body="inner('said')"))
    runtime.invoke(b"")
    runtime.child.wait_log("inner said")
    runtime.child.wait_log("app.py")
    assert "Own" in runtime.child.log


def test_types_of_managed_reports_equal_the_client_of_aws(ask: Ask) -> None:
    """In the lambda convention the report has the frames as AWS's client formats them."""
    report = ask(DEEP.format(body="inner('x')"), b"1", convention="lambda").report
    first, second = report["stackTrace"]
    assert first.startswith('  File "')
    assert first.endswith("\n")
    assert (
        ", line 7, in handler\n    inner('x')\n"
        == first[first.index(", line") :][: len(", line 7, in handler\n    inner('x')\n")]
    )
    assert "in inner" in second


def test_xray_cause(ask: Ask) -> None:
    """An X-Ray cause goes along in a single-line ASCII header."""
    import json

    answer = ask("def handler(event, context):\n    raise KeyError('läte\\nX: y')\n", b"1", convention="lambda")
    cause = answer.request.header("Lambda-Runtime-Function-XRay-Error-Cause")
    assert cause is not None
    assert cause.isascii()
    parsed = json.loads(cause)
    assert ("KeyError", {"working_directory", "exceptions", "paths"}) == (parsed["exceptions"][0]["type"], set(parsed))
