"""A function written for another convention than `auto` chooses: the log says, once, which one it is and what to set."""

from __future__ import annotations

import json

import pytest
from support.files import Files
from support.runtime import Ask, Fail, Serve

HINT = "dispatch: auto chose the convention standard, because the string is a dotted name; "
LAMBDA = HINT + "for func(event, context) as in AWS's own runtime, with the event parsed, set HANDLER_CONVENTION=lambda"
JSON = HINT + "its events are text; to get this JSON parsed and to answer with JSON, set HANDLER_CONVENTION=json"
WEB = HINT + "it looks like a web application; to run it as one, set HANDLER_CONVENTION="
PLUGIN = """
from dispatch import Response, Target

def ours(function):
    def handle(invocation):
        return Response(function(invocation.body))
    handle.hint = lambda invocation: {hint}
    return handle

def dispatch_conventions():
    return {{"ours": ours}}

def dispatch_locate(spec, root):
    import app
    return Target("ours", "mine", lambda: app.handler)
"""


def hints(log: str) -> list[str]:
    """The lines of a log that are hints, or say why there is none."""
    return [line for line in log.splitlines() if "auto chose" in line or " hint of " in line]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def handler(event, context):\n    return event['name']\n", LAMBDA),
        ("def handler(event, lambda_context):\n    return {'statusCode': 200}\n", LAMBDA),
        ("def handler(event, headers):\n    return {'a': 1}\n", JSON),
        ("def handler(event, _):\n    return event['name']\n", JSON),
        ("async def handler(event, context):\n    return event['name']\n", LAMBDA),
        ("def handler(event, context):\n    yield event['name']\n", LAMBDA),
        (
            "class Handler:\n    def __call__(self, event, context):\n        raise KeyError\nhandler = Handler()\n",
            LAMBDA,
        ),
        ("class Handler:\n    def go(self, event, context):\n        raise KeyError\nhandler = Handler().go\n", LAMBDA),
        ("from functools import partial\ndef go(a, event, context):\n    a.b\nhandler = partial(go, 1)\n", LAMBDA),
        ("async def handler(scope, receive, send): ...\n", WEB + "asgi"),
        ("class App:\n    async def __call__(self, scope, receive, send): ...\nhandler = App()\n", WEB + "asgi"),
        ("def handler(environ, start_response):\n    start_response('200 OK', [])\n", WEB + "wsgi"),
        ("def handler(event):\n    return event\n", JSON),
        ("handler = int\n", JSON),
    ],
)
@pytest.mark.parametrize("event", [b'{"name": "Ada"}', b" [1]\n"], ids=["object", "array"])
def test_hint(serve: Serve, source: str, event: bytes, expected: str) -> None:
    """A failure with a JSON event is followed by the hint; the next failure is not."""
    runtime = serve(source)
    runtime.invoke(event)
    runtime.invoke(event)
    runtime.invoke(b"")
    log = runtime.child.log
    assert [expected] == hints(log)
    assert log.index("[ERROR]") < log.index(expected)


def test_report_is_unchanged(ask: Ask) -> None:
    """The report has what it has without a hint."""
    source = "def handler(event, context):\n    return {'a': 1}\n"
    report = ask(source, b"{}").report
    named = ask(source, b"{}", convention="standard").report
    assert {**named, "requestId": ""} == {**report, "requestId": ""}


@pytest.mark.parametrize("event", [b"", b"text", b'"text"', b"1", b"{name}", b"[draft] hello", b"{} {}", b"\xff"])
def test_events_that_are_text(serve: Serve, event: bytes) -> None:
    """An event that is not a JSON object or array gives no hint, and does not use it up."""
    runtime = serve("def handler(event, context):\n    raise KeyError\n")
    runtime.invoke(event)
    runtime.invoke(event)
    assert [] == hints(runtime.child.log)
    runtime.invoke(b"{}")
    runtime.invoke(b"")
    assert [LAMBDA] == hints(runtime.child.log)


@pytest.mark.parametrize("convention", ["standard", "json", "lambda"])
def test_convention_that_was_asked_for(serve: Serve, convention: str) -> None:
    """There is nothing to say about a convention that was requested, nor after a success."""
    runtime = serve(
        "def handler(event, context):\n    return event[:2] if event[0] == '{' else 1 / 0\n",
        "",
        convention,
        arguments=("app.handler",),
    )
    for _ in range(2):
        runtime.invoke(b'{"a": 1}')
    assert [] == hints(runtime.child.log)


def test_success(serve: Serve) -> None:
    """A function that takes JSON as text, and does not fail, is left alone."""
    runtime = serve("def handler(event, context):\n    return event\n")
    for _ in range(2):
        runtime.invoke(b"{}")
    assert [] == hints(runtime.child.log)


def test_expression(serve: Serve) -> None:
    """An expression is called in the same way, and gets the same hint."""
    runtime = serve({}, "event['name']")
    for event in (b'{"name": "Ada"}', b""):
        runtime.invoke(event)
    (hint,) = hints(runtime.child.log)
    assert "because the string is neither a file nor a dotted name; " in hint
    assert b'"Ada"' == serve({}, "event['name']", "json").invoke(b'{"name": "Ada"}').body


@pytest.mark.parametrize(
    ("handler", "kind", "looks"),
    [
        ("tr .name", "NameError", True),
        ("tr a-z A-Z", "Runtime.UserCodeSyntaxError", True),
        ("nosuchprogram .name", "NameError", False),
        ("nosuchprogram a-z A-Z", "Runtime.UserCodeSyntaxError", False),
    ],
)
def test_command_line(fail: Fail, handler: str, kind: str, looks: bool) -> None:
    """A handler that fails as Python, and begins with a program's name, may be meant for `process`."""
    failed = fail({}, handler)
    assert kind == failed.type
    assert looks == ("to run it as a command line, set HANDLER_CONVENTION=process" in failed.log)


def test_json_log(serve: Serve) -> None:
    """Where the log has JSON records, the hint is one."""
    runtime = serve("def handler(event, context):\n    raise KeyError\n", env={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
    for event in (b"{}", b""):
        runtime.invoke(event)
    (line,) = hints(runtime.child.log)
    record = json.loads(line)
    assert ("WARN", LAMBDA.removeprefix("dispatch: ")) == (record["level"], record["message"])


@pytest.mark.parametrize("own", [{"json.py": "raise SystemExit\n"}, {"inspect.py": "raise SystemExit\n"}])
def test_own_modules(serve: Serve, own: Files) -> None:
    """A task root with modules of its own that the hint would need does not stop the function."""
    runtime = serve({**own, "app.py": "def handler(event, context):\n    return event + ('' if 'a' in event else 1)\n"})
    runtime.invoke(b"{}")
    assert b'{"a": 1}' == runtime.invoke(b'{"a": 1}').body


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (
            "'set another'",
            ["dispatch: auto chose the convention ours, because the plugin own claims the handler string; set another"],
        ),
        ("''", []),
        ("1 / 0", ["dispatch: the hint of the ours convention failed: ZeroDivisionError: division by zero"]),
        ("exit('own')", ["dispatch: the hint of the ours convention failed: SystemExit: own"]),
    ],
)
def test_convention_of_a_plugin(serve: Serve, hint: str, expected: list[str]) -> None:
    """A plugin's convention has hints of its own; that one has failed is logged once, and harms nothing."""
    runtime = serve(
        {"app.py": "def handler(body):\n    return body if body else 1 / 0\n", "own.py": PLUGIN.format(hint=hint)},
        env={"HANDLER_PLUGINS": "own"},
    )
    for _ in range(2):
        runtime.invoke(b"")
    assert b"next" == runtime.invoke(b"next").body
    assert expected == hints(runtime.child.log)
