"""Expressions: statements, free names, and values that can be called."""

from __future__ import annotations

import pytest
from support.runtime import Ask, Fail, Serve

FREE = [
    ("event", "ab"),
    ("event.upper()", "AB"),
    ("f'{event}!'", "ab!"),
    ("headers['Content-Type']", "application/json"),
    ("str(len(event))", "2"),
    ("import json; json.dumps(event)", '"ab"'),
    ("import json\njson.dumps(event)", '"ab"'),
    ("x = event * 2; y = x + '!'; y", "abab!"),
    ("for c in event:\n    last = c\nlast", "b"),
    ("def twice(s):\n    return s + s\ntwice(event)", "abab"),
    ("b'\\x00\\xff'+event.encode()", None),
    ("''.join(sorted(event,reverse=True))", "ba"),
    ("''.join(c + k for c in event for k in '-')", "a-b-"),
    ("''.join([event[i] for i in range(len(event))])", "ab"),
    ("(lambda: event)()", "ab"),
    ("if event == 'ab':\n    word = 'yes'\nelse:\n    word = 'no'\nword", "yes"),
    ("None if event else 'x'", ""),
    ("event;", "ab"),
    ("event  # as it is", "ab"),
    (" event ", "ab"),
    ("event\n", "ab"),
    ("import app; app.double(event)", "abab"),
    ("from app import double; double(event)", "abab"),
    ("match event:\n    case 'ab':\n        out = 'matched'\nout", "matched"),
    ("[n := event, n][1]", "ab"),
    ("def f():\n    return 'hi ' + name\nname = event\nf()", "hi ab"),
    ("class C:\n    def f(self):\n        return name\nc = C()\nname = event\nc.f()", "ab"),
    ("def g():\n    return name\ndef f():\n    return g()\nfor name in event: pass\nf()", "b"),
    ("def f():\n    return n\n[n := event, f()][1]", "ab"),
    ("size = 0\ndef add(text):\n    global size\n    size += len(text)\nadd(event)\nstr(size)", "2"),
    ("event = 'own'\nevent", "own"),
]
CALLED = [
    ("lambda event, headers: event[::-1]", "ba"),
    ("lambda e, h: e", "ab"),
    ("import app; app.handler", "handled ab"),
    ("from app import handler; handler", "handled ab"),
    ("import functools, app; functools.partial(app.third, 'bound')", "bound ab"),
    ("def f(event, headers):\n    return event * 2\nf", "abab"),
    ("async def f(event, headers):\n    return event * 2\nf", "abab"),
    ("class C:\n    def __call__(self, event, headers):\n        return event\nC()", "ab"),
    ("__import__('app').handler", "handled ab"),
    ("def f(event, headers):\n    yield event\n    yield '!'\nf", "ab!"),
    ("lambda event, headers: (c for c in event)", "ab"),
]
APP = """
def handler(event, headers):
    return f"handled {event}"
def double(text):
    return text + text
def third(bound, event, headers):
    return f"{bound} {event}"
"""


@pytest.mark.parametrize(("source", "expected"), [*FREE, *CALLED])
def test_expressions(serve: Serve, source: str, expected: str | None) -> None:
    """The last expression is the answer, or what is called for it, event after event."""
    runtime = serve(APP, source, "expression")
    answers = [runtime.invoke(b"ab") for _ in range(2)]
    wanted = b"\x00\xffab" if expected is None else expected.encode()
    assert [("response", wanted)] * 2 == [(answer.kind, answer.body) for answer in answers]


@pytest.mark.parametrize(("source", "expected"), [(s, e) for s, e in [*FREE, *CALLED] if s != "app.handler"])
def test_auto_takes_source(ask: Ask, source: str, expected: str | None) -> None:
    """Auto knows each of them for an expression."""
    assert (b"\x00\xffab" if expected is None else expected.encode()) == ask(APP, b"ab", source).body


def test_setup_runs_once(serve: Serve) -> None:
    """A value that can be called is made once; its statements run at the start."""
    runtime = serve({}, "calls = []\nlambda event, headers: str(len(calls.append(event) or calls))")
    assert [b"1", b"2"] == [runtime.invoke(b"x").body for _ in range(2)]


def test_statements_without_the_event_run_once(serve: Serve) -> None:
    """What uses neither the event nor what is made of it runs at the start, though functions between use it."""
    setup = "calls = []\ncalls.append(1)\ndef f():\n    return name\n"
    runtime = serve({}, setup + "name = event\nf() + str(len(calls))")
    assert [b"x1", b"y1"] == [runtime.invoke(body).body for body in (b"x", b"y")]


@pytest.mark.parametrize("source", ["x = 1\nreturn event\nx", "(yield event)", "break\nevent", "await f(event)"])
def test_sources_that_fail_late(fail: Fail, source: str) -> None:
    """What only the compiler finds wrong is a syntax error as well."""
    assert "Runtime.UserCodeSyntaxError" == fail({}, handler=source).type


CONNECTED = """
calls = []
client = None
def connect():
    global client
    calls.append(1)
    client = str
connect()
client(event) + str(len(calls))
"""
LOOPED = """
calls = []
for i in range(1):
    calls.append(i)
for i in event:
    pass
event + str(len(calls))
"""


@pytest.mark.parametrize("source", [CONNECTED, LOOPED], ids=["global", "loop variable"])
def test_setup_whose_names_are_used_again(serve: Serve, source: str) -> None:
    """Setup stays setup where the event's part binds a name again, or reads one that a function of the setup bound."""
    runtime = serve({}, source)
    assert [b"x1", b"y1"] == [runtime.invoke(body).body for body in (b"x", b"y")]


def test_free_names_are_fresh(serve: Serve) -> None:
    """An expression with free names is evaluated for each event, each with its own."""
    runtime = serve({}, "event + headers['X-Own']")
    answers = [runtime.invoke(body, {"X-Own": own}).body for body, own in ((b"a", "1"), (b"b", "2"))]
    assert [b"a1", b"b2"] == answers


def test_one_event_leaves_no_names(serve: Serve) -> None:
    """Names that one event's evaluation made are not there for the next."""
    runtime = serve({}, "seen = 'seen' in globals() or 'seen' in locals()\nstr(seen) + event")
    assert [b"Falsex", b"Falsex"] == [runtime.invoke(b"x").body for _ in range(2)]


def test_expression_error_is_an_invocation_error(serve: Serve) -> None:
    """An exception while it is evaluated fails the event, with the line in the trace."""
    runtime = serve({}, "str(1 / int(event))")
    report = runtime.invoke(b"0").report
    assert ("ZeroDivisionError", b"1.0") == (report["errorType"], runtime.invoke(b"1").body)
    assert "line 1" in "".join(report["stackTrace"])


@pytest.mark.parametrize(
    ("error", "source"),
    [
        *(("UserCodeSyntaxError", source) for source in ("event.", "3 +", "event event", "1 = x")),
        *(("MalformedHandlerName", source) for source in ("x = 1", "import json", "def f(): pass")),
    ],
)
def test_sources_that_are_no_expression(fail: Fail, error: str, source: str) -> None:
    """What is no Python, or does not end in an expression, is an init error that shows the source."""
    failed = fail({}, source, "expression")
    assert (1, f"Runtime.{error}") == (failed.status, failed.type)
    assert source.split("\n", maxsplit=1)[0] in failed.report["errorMessage"] + "".join(failed.report["stackTrace"])


@pytest.mark.parametrize("source", ["'constant'", "1 + 1", "[1, 2]", "None"])
def test_values_that_do_not_use_the_event(serve: Serve, source: str) -> None:
    """A value that can't be called and does not use the event is refused at the start, with the reason."""
    failed = serve({}, source, "expression").failed()
    assert 1 == failed.status
    assert "event" in failed.report["errorMessage"]


def test_undefined_name(serve: Serve) -> None:
    """A name that nobody defined is a NameError: of the start if it runs then, else of the event."""
    runtime = serve({}, "evnt.upper() + event", "expression")
    assert "NameError" == runtime.invoke(b"x").report["errorType"]
    assert "NameError" == serve({}, "evnt.upper()", "expression").failed().type
