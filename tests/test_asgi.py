"""The `asgi` convention: requests, the lifespan, what runs after the answer, streams and failures."""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from support.api import event
from support.http_events import EVENTS, changed, delivered
from support.runtime import Ask, Fail, Serve
from support.wire import Reply

from dispatch import http

#: Answers 200 with the text that `text()` makes; `after()` runs when its response is complete.
APP = """
import asyncio, os
{more}
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError(scope["type"])
    body = (await receive())["body"]
    await send({{"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}})
    {during}
    await send({{"type": "http.response.body", "body": str({text}).encode()}})
    {after}
"""
START = 'await send({"type": "http.response.start", "status": 200, "headers": []})'
FULL = 'await send({"type": "http.response.body", "body": b"full"})'
REQUEST = json.dumps(EVENTS[http.FUNCTION_URL]).encode()
STREAM = {"HANDLER_INVOKE_MODE": "RESPONSE_STREAM"}
LIFESPAN = """
async def lifespan(scope, receive, send):
    assert (await receive())["type"] == "lifespan.startup"
    {startup}
    await send({{"type": "lifespan.startup.complete"}})
    assert (await receive())["type"] == "lifespan.shutdown"
    {shutdown}
    await send({{"type": "lifespan.shutdown.complete"}})
"""


def app(text: str = "'hello'", *, during: str = "pass", after: str = "pass", more: str = "") -> str:
    """The source of an application."""
    return APP.format(text=text, during=during, after=after, more=more)


def with_lifespan(startup: str = "pass", shutdown: str = "pass", text: str = "'hello'", **parts: str) -> str:
    """The source of an application that has a lifespan."""
    source = app(text, **parts).replace(
        'raise ValueError(scope["type"])', "return await lifespan(scope, receive, send)"
    )
    return source + LIFESPAN.format(startup=startup, shutdown=shutdown)


def of(answer: Any) -> str:
    """The body of the response in an answer to a function URL."""
    status, _, body = delivered(http.FUNCTION_URL, json.loads(answer.body))
    assert status == 200, answer.body
    return body.decode()


# ----------------------------------------------------------------------------------------------------------------------
# Requests and answers
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["socket", "requests"])
def test_every_kind_of_event(serve: Serve, transport: str) -> None:
    """Each gets the response in its own format, text as text and bytes as bytes; the length is the server's to say."""
    runtime = serve(
        app("scope['path'] + body.decode()").replace('b"text/plain")', 'b"text/plain"), (b"Content-Length", b"1")'),
        "app.app",
        "asgi",
        env={"HANDLER_TRANSPORT": transport},
    )
    for kind in http.KINDS:
        asked = http.Request("POST", "/caf%C3%A9", "", [("host", "example.com"), ("content-type", "text/plain")], b"!")
        answer = runtime.invoke(json.dumps(http.event(asked, kind)).encode())
        assert "application/json" == answer.request.header("Content-Type")
        expected = (200, [("content-type", "text/plain")], "/café!".encode())
        assert expected == delivered(kind, json.loads(answer.body)), kind


def test_scope(ask: Ask) -> None:
    """It has the event, the managed runtime's context, the server's part of ASGI, and a length for a body."""
    more = "import dispatch, json"
    text = """json.dumps([
        scope["aws.event"]["rawPath"], scope["aws.context"].aws_request_id == dispatch.current().request_id,
        scope["aws.context"].get_remaining_time_in_millis() > 0, scope["state"], scope["asgi"]["version"],
        dict(scope["headers"])[b"content-length"].decode(), scope["root_path"], scope["path"],
    ])"""
    asked = changed(http.FUNCTION_URL, rawPath="/base/x", body="abc", http={"method": "POST"})
    answer = ask(
        app(text, more=more),
        json.dumps(asked).encode(),
        "app.app",
        "asgi",
        env={"HANDLER_BASE_PATH": "/base"},
    )
    assert ["/base/x", True, True, {}, "3.0", "3", "", "/x"] == json.loads(of(answer))


def test_head_has_the_length_but_no_body(ask: Ask) -> None:
    """Nothing of the body is sent, and its length is."""
    source = app().replace('b"text/plain")', 'b"text/plain"), (b"content-length", b"5")')
    asked = changed(http.FUNCTION_URL, http={"method": "HEAD"})
    answer = json.loads(ask(source, json.dumps(asked).encode(), "app.app", "asgi").body)
    assert ("", "5") == (answer["body"], answer["headers"]["content-length"])


HANDLERS = {
    "app:app": {"app.py": app()},
    "app:site.inner.app": {
        "app.py": app(after="pass\nclass site:\n    class inner:\n        pass\n") + "site.inner.app = app\n"
    },
    "folder/web:app": {"folder/web.py": app()},
    "package.web:app": {"package/__init__.py": "", "package/web.py": app()},
    "package.web.app": {"package/__init__.py": "", "package/web.py": app()},
}


@pytest.mark.parametrize("handler", HANDLERS)
def test_handler_strings(ask: Ask, handler: str) -> None:
    """As web servers write them, and as elsewhere."""
    assert "hello" == of(ask(HANDLERS[handler], REQUEST, handler, "asgi"))


APPLICATIONS = {
    "class": "class App:\n    async def __call__(self, scope, receive, send):\n        await inner(scope, receive, send)\napp = App()\n",
    "method": "class App:\n    async def run(self, scope, receive, send):\n        await inner(scope, receive, send)\napp = App().run\n",
    "wrapped": "def app(*arguments):\n    return inner(*arguments)\n",
    "partial": "import functools\nasync def other(extra, scope, receive, send):\n    await inner(scope, receive, send)\napp = functools.partial(other, 1)\n",
    "endpoint": "class app:\n    def __init__(self, *arguments):\n        self.arguments = arguments\n    def __await__(self):\n        return inner(*self.arguments).__await__()\n",
}


@pytest.mark.parametrize("kind", APPLICATIONS)
def test_whatever_can_be_called_so(ask: Ask, kind: str) -> None:
    """An object, a method, a wrapper, a class whose instances can be awaited."""
    source = app().replace("def app(", "def inner(") + APPLICATIONS[kind]
    assert "hello" == of(ask(source, REQUEST, "app:app", "asgi"))


WRONG = {
    "app = 3": (
        "app.app",
        "not an application, because it cannot be called: int 3; asgi calls app(scope, receive, send)",
    ),
    "def app(environ, start_response): pass": ("app:app", "not an application for asgi, but one for wsgi: function"),
    "def app(): pass": ("app:app", "name the application itself, not the function that makes it"),
    "async def app(scope): pass": ("app:app", "it takes 1 arguments"),
    "class app: pass": ("app:app.other", "no 'other' in app"),
    "x = 1": ("app:app", "no 'app' in app.py"),
}


@pytest.mark.parametrize("source", WRONG)
def test_what_is_no_application(fail: Fail, source: str) -> None:
    """It is an init error that says what is there and what to do."""
    handler, words = WRONG[source]
    failed = fail(source, handler, "asgi")
    assert "Runtime.HandlerNotFound" == failed.type
    assert words in failed.report["errorMessage"]


@pytest.mark.parametrize("handler", [" app:app", "app: app", "app:app\n"])
def test_blanks_in_the_handler_string(fail: Fail, handler: str) -> None:
    """The error says so, and does not advise the convention that is set."""
    failed = fail(app(), handler, "asgi")
    assert (
        "Runtime.MalformedHandlerName",
        f"there are spaces or line ends in the handler: {handler!r}; write app:app",
    ) == (
        failed.type,
        failed.report["errorMessage"],
    )


@pytest.mark.parametrize("handler", ["app:", ":app", "app::app", "app:app:app", "folder/app:"])
def test_half_a_handler_string(fail: Fail, handler: str) -> None:
    """A string with a colon that does not name an application is not taken for Python source."""
    failed = fail(app(), handler, "asgi")
    assert ("Runtime.MalformedHandlerName", True) == (failed.type, "web:app" in failed.report["errorMessage"])


@pytest.mark.parametrize("variable", ["HANDLER_BASE_PATH", "HANDLER_EVENTS_PATH", "HANDLER_INVOKE_MODE"])
def test_wrong_settings(fail: Fail, variable: str) -> None:
    """Each is an init error."""
    assert "Runtime.InvalidSetting" == fail(app(), "app:app", "asgi", env={variable: "wrong"}).type


# ----------------------------------------------------------------------------------------------------------------------
# Events that are not HTTP
# ----------------------------------------------------------------------------------------------------------------------


def test_other_events_are_posted(ask: Ask) -> None:
    """To the events path, as JSON; the response's body is the answer, with its content type."""
    text = "[scope['method'], scope['path'], dict(scope['headers'])[b'content-type'], body, scope['aws.event']['a']]"
    answer = ask(app(text), b'{"a": 1}', "app.app", "asgi")
    assert ("text/plain", "['POST', '/events', b'application/json', b'{\"a\": 1}', 1]") == (
        answer.request.header("Content-Type"),
        answer.body.decode(),
    )


def test_other_events_elsewhere(serve: Serve) -> None:
    """The path can be another; text in another encoding is posted as UTF-8; what is not JSON is no event."""
    env = {"HANDLER_EVENTS_PATH": "/own/päth", "HANDLER_ENCODING": "utf-16"}
    runtime = serve(app("[scope['path'], body.decode()]"), "app.app", "asgi", env=env)
    assert "['/own/päth', '\"Zoë\"']" == runtime.invoke('"Zoë"'.encode("utf-16")).body.decode()
    assert "Runtime.UnmarshalError" == runtime.invoke("nonsense".encode("utf-16")).report["errorType"]


@pytest.mark.parametrize("env", [{}, STREAM], ids=["buffered", "streamed"])
def test_a_failed_event_is_a_function_error(ask: Ask, env: dict[str, str]) -> None:
    """A status of 400 or more: the error names it, and quotes the body."""
    report = ask(app("'not\\nhere'").replace("200", "404"), b"[]", "app.app", "asgi", env=env).report
    assert ("ApplicationError", "the application answered POST /events with status 404: not\nhere") == (
        report["errorType"],
        report["errorMessage"],
    )


def test_other_events_stream(ask: Ask) -> None:
    """Without a prelude, which is for HTTP."""
    more_body = 'await send({"type": "http.response.body", "body": b"one ", "more_body": True})'
    answer = ask(app("'two'", during=more_body), b"[]", "app.app", "asgi", env=STREAM)
    assert ([b"one ", b"two"], "text/plain") == (answer.request.chunks, answer.request.header("Content-Type"))


# ----------------------------------------------------------------------------------------------------------------------
# The lifespan
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("env", [{}, {"HANDLER_CONCURRENCY": "async"}], ids=["alone", "shared loop"])
def test_lifespan_is_once(serve: Serve, env: dict[str, str]) -> None:
    """Started before the first poll, on the loop of the requests, and shut down at SIGTERM before the loop ends."""
    startup = "scope['state'].update(seen=[], loop=asyncio.get_running_loop()); print('UP')"
    text = "(scope['state']['seen'].append(1), scope['state'].setdefault('own', 1), len(scope['state']), len(scope['state']['seen']), scope['state']['loop'] is asyncio.get_running_loop())[2:]"
    source = with_lifespan(startup, "await asyncio.sleep(0.001); print('DOWN')", text)
    runtime = serve(source, "app:app", "asgi", env=env)
    runtime.api.wait_for("GET", "next")
    assert ["UP"] == runtime.child.log.splitlines()
    # The state is one for all; each request has a copy of its own.
    assert ["(3, 1, True)", "(3, 2, True)"] == [of(runtime.invoke(REQUEST)) for _ in range(2)]
    assert ["UP", "DOWN"] == runtime.end().splitlines()


def test_lifespan_in_each_worker(serve: Serve) -> None:
    """Each of the forked environments has its own."""
    # Both write to one log, so each line is one write.
    source = with_lifespan("os.write(1, b'UP %d\\n' % os.getpid())", "os.write(1, b'DOWN %d\\n' % os.getpid())")
    runtime = serve(source, "app:app", "asgi", env={"HANDLER_WORKERS": "2"})
    runtime.api.wait_for("GET", "next", 2)
    lines = [line.split() for line in runtime.end(blocked=False).splitlines()]
    assert 2 == len({pid for word, pid in lines if word == "UP"})
    assert {pid for word, pid in lines if word == "UP"} == {pid for word, pid in lines if word == "DOWN"}


def test_lifespan_before_a_snapshot(serve: Serve) -> None:
    """Under SnapStart the startup is part of the snapshot."""
    runtime = serve(
        with_lifespan("print('UP')"), "app:app", "asgi", env={"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
    )
    runtime.api.wait_for("GET", "restore/next")
    runtime.child.wait_log("UP")


FAILURES = {
    "raise LookupError('no database')": ("LookupError", "no database"),
    "await send({'type': 'lifespan.startup.failed', 'message': 'no database'}); return": (
        "ApplicationError",
        "the application's startup failed: no database",
    ),
    "await send({'type': 'lifespan.startup.failed', 'message': 'a trace'}); raise LookupError('no database')": (
        "LookupError",
        "no database",
    ),
    "await send({'type': 'lifespan.startup.failed', 'message': ''}); await asyncio.sleep(60)": (
        "ApplicationError",
        "the application's startup failed: it gave no reason",
    ),
    "raise SystemExit(3)": ("Runtime.ExitError", "3"),
    "raise KeyError('own')": ("KeyError", "own"),
}


@pytest.mark.parametrize("startup", FAILURES)
@pytest.mark.parametrize("env", [{}, {"HANDLER_CONCURRENCY": "async"}], ids=["alone", "shared loop"])
def test_a_failed_startup_is_an_init_error(fail: Fail, startup: str, env: dict[str, str]) -> None:
    """With the application's own words, if it has any."""
    failed = fail(with_lifespan(startup), "app:app", "asgi", env=env)
    kind, words = FAILURES[startup]
    assert (kind, True, 1) == (failed.type, words in failed.report["errorMessage"], failed.status)


CHECKED = 'if scope["type"] != "http":\n        raise ValueError(scope["type"])'
UNSUPPORTED = {
    "raises at once": app(),
    "returns at once": app().replace('raise ValueError(scope["type"])', "return"),
    "takes it for a request": app().replace(CHECKED, ""),
    "sends a response": app().replace(CHECKED, "").replace('(await receive())["body"]', "await receive()"),
    "never accepts it": app().replace(
        'raise ValueError(scope["type"])', "await send({'type': 'lifespan.startup.complete'}); return"
    ),
}


@pytest.mark.parametrize("kind", UNSUPPORTED)
def test_applications_without_a_lifespan(serve: Serve, kind: str) -> None:
    """They serve their requests, and nothing is said of it."""
    runtime = serve(UNSUPPORTED[kind], "app:app", "asgi")
    assert "hello" == of(runtime.invoke(REQUEST))
    assert "" == runtime.end()


@pytest.mark.parametrize(
    ("shutdown", "words"),
    [
        ("print('STOPPING'); await asyncio.sleep(1000)", "STOPPING"),
        ("print('STOPPING')\n    while True: pass", "STOPPING"),
        ("raise LookupError('cannot stop')", "cannot stop"),
        ("raise asyncio.CancelledError", "did not end cleanly: CancelledError"),
        ("raise SystemExit(3)", "did not end cleanly: the handler called sys.exit(3)"),
        (
            "await send({'type': 'lifespan.shutdown.failed', 'message': 'cannot stop'}); return",
            "shutdown failed: cannot stop",
        ),
    ],
)
def test_shutdown_that_fails_or_hangs(serve: Serve, shutdown: str, words: str) -> None:
    """The end comes all the same, with status 0 and the plugins' hooks, and a failure is in the log."""
    files = {
        "app.py": with_lifespan(shutdown=shutdown),
        "own.py": "def dispatch_shutdown(reason):\n    print('HOOK', reason)\n",
    }
    runtime = serve(files, "app:app", "asgi", env={"HANDLER_PLUGINS": "own"})
    runtime.api.wait_for("GET", "next")
    log = runtime.end()
    assert (True, True) == (words in log, "HOOK SIGTERM" in log), log


# ----------------------------------------------------------------------------------------------------------------------
# After the answer
# ----------------------------------------------------------------------------------------------------------------------

WAITS = {"blocking": "open('go').read(); print('DONE', dispatch.current().request_id)"}
WAITS["in a thread"] = (
    "await asyncio.to_thread(lambda: open('go').read()); print('DONE', dispatch.current().request_id)"
)
WAITS["in a task"] = (
    "await asyncio.create_task(asyncio.to_thread(lambda: open('go').read())); print('DONE', dispatch.current().request_id)"
)


@pytest.mark.parametrize(
    "env",
    [{}, STREAM, {"HANDLER_TRANSPORT": "requests"}, {"HANDLER_CONCURRENCY": "async"}],
    ids=["buffered", "streamed", "requests", "shared loop"],
)
@pytest.mark.parametrize("kind", WAITS)
def test_background_work(serve: Serve, tmp_path: Path, kind: str, env: dict[str, str]) -> None:
    """It delays no answer, even where it blocks, and is done before the next event; twice, on one connection."""
    runtime = serve(app(after=WAITS[kind], more="import dispatch"), "app:app", "asgi", env=env)
    os.mkfifo(tmp_path / "task" / "go")
    for number in (1, 2):
        runtime.api.hand_out(event(REQUEST, f"event-{number}"))
        assert "response" == runtime.answer(f"event-{number}").kind
        assert number == len(runtime.api.finished("GET", "next"))
        (tmp_path / "task" / "go").write_text("")
        runtime.api.wait_for("GET", "next", number + 1)
        runtime.child.wait_log(f"DONE event-{number}\n")


def test_the_client_is_told_of_the_end(serve: Serve) -> None:
    """`receive` waits for it, in whatever task, and does not end before the response is complete."""
    more = "async def watch(receive):\n    print((await receive())['type'])"
    source = app(
        "'done' if watching.done() else 'waiting'",
        during="watching = asyncio.create_task(watch(receive)); await asyncio.sleep(0.01)",
        after="await watching; print((await receive())['type'], 'again')",
        more=more,
    )
    runtime = serve(source, "app:app", "asgi")
    assert "waiting" == of(runtime.invoke(REQUEST))
    runtime.child.wait_log("http.disconnect\nhttp.disconnect again\n")


@pytest.mark.parametrize("env", [{}, STREAM], ids=["buffered", "streamed"])
def test_going_on_after_cancellation(serve: Serve, env: dict[str, str]) -> None:
    """An application that catches the end of the process may send and receive once more, and reaches its `finally`."""
    during = """print("BUSY")
    try:
        try: await asyncio.sleep(1000)
        except asyncio.CancelledError: print("CAUGHT")
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        print((await receive())["type"])
    finally: print("FINALLY")"""
    runtime = serve(app(during=during), "app:app", "asgi", env=env)
    runtime.api.hand_out(event(REQUEST))
    runtime.child.wait_log("BUSY\n")
    assert ["BUSY", "CAUGHT", "http.disconnect", "FINALLY"] == runtime.end().splitlines()


def test_a_failure_after_the_answer_is_logged(serve: Serve) -> None:
    """It changes nothing for the client, nor for the next event."""
    runtime = serve(app(after="raise LookupError('too late')"), "app:app", "asgi")
    assert ["hello", "hello"] == [of(runtime.invoke(REQUEST)) for _ in range(2)]
    runtime.child.wait_log("LookupError: too late")


# ----------------------------------------------------------------------------------------------------------------------
# Failures
# ----------------------------------------------------------------------------------------------------------------------


def test_an_exit_in_another_task(serve: Serve) -> None:
    """The request fails, and the application does not go on with it during the next one."""
    source = app(
        more="async def leave():\n    sys.exit(3)\n",
        during="""task = asyncio.create_task(leave()) if body == b"exit" else None
    try:
        await asyncio.sleep(0.01)
    finally:
        print("END", body, flush=True)""",
    ).replace("import asyncio, os", "import asyncio, os, sys")
    runtime = serve(source, "app:app", "asgi")
    leaving = json.dumps(changed(http.FUNCTION_URL, body="exit")).encode()
    assert "Runtime.ExitError" == runtime.invoke(leaving).report["errorType"]
    runtime.api.wait_for("GET", "next", 2)
    assert "END b'exit'\n" in runtime.child.log
    assert "hello" == of(runtime.invoke(REQUEST))
    # asyncio may log the task's exception as well, at the garbage collector's time.
    assert 1 == runtime.end().count("[ERROR] Runtime.ExitError")


FAILING = {
    "before the start": ("raise LookupError('mine')", "LookupError", "mine"),
    "after the start": (f"{START}\n    raise LookupError('mine')", "LookupError", "mine"),
    "after a complete 500, as Starlette": (
        f"{START.replace('200', '500')}\n    {FULL}\n    raise LookupError('mine')",
        "LookupError",
        "mine",
    ),
    "after a complete 500, slowly": (
        f"{START.replace('200', '500')}\n    {FULL}\n    time.sleep(0.05)\n    raise LookupError('mine')",
        "LookupError",
        "mine",
    ),
    "exit": ("sys.exit(3)", "Runtime.ExitError", "3"),
    "cancelled": ("raise asyncio.CancelledError", "CancelledError", ""),
    "no response": ("pass", "Runtime.MarshalError", "ended before its response was complete"),
    "half a response": (START, "Runtime.MarshalError", "ended before its response was complete"),
    "no start": (FULL, "RuntimeError", "unexpected ASGI message 'http.response.body': 'http.response.start' is due"),
    "two starts": (f"{START}\n    {START}", "RuntimeError", "'http.response.body' is due"),
    "unknown message": ("await send({'type': 'http.response.push'})", "RuntimeError", "'http.response.push'"),
    "text as the body": (
        f"{START}\n    await send({{'type': 'http.response.body', 'body': 'text'}})",
        "TypeError",
        "'str'",
    ),
    "a number as the body": (
        f"{START}\n    await send({{'type': 'http.response.body', 'body': 3}})",
        "TypeError",
        "'int'",
    ),
    "text as a header": (
        "await send({'type': 'http.response.start', 'status': 200, 'headers': [('a', 'b')]})",
        "TypeError",
        "the headers of an ASGI response must be pairs of bytes, not [('a', 'b')]",
    ),
    "a mapping of headers": (
        "await send({'type': 'http.response.start', 'status': 200, 'headers': {b'a': b'b'}})",
        "TypeError",
        "must be pairs of bytes, not {b'a': b'b'}",
    ),
    "no status": (
        "await send({'type': 'http.response.start', 'status': 'OK'})\n    " + FULL,
        "ValueError",
        "an HTTP status must be a whole number from 100 to 599, not 'OK'",
    ),
    "bad header": (
        START.replace("[]", "[(b'a b', b'c')]") + "\n    " + FULL,
        "Runtime.MarshalError",
        "the application's response cannot be sent: an HTTP header's name",
    ),
    "too large": (
        f"{START}\n    await send({{'type': 'http.response.body', 'body': bytes(6 * 1024 * 1024)}})",
        "Function.ResponseSizeTooLarge",
        "",
    ),
}


@pytest.mark.parametrize(
    "env", [{}, {"HANDLER_CONCURRENCY": "async", "HANDLER_WORKERS": "2"}], ids=["alone", "shared loop"]
)
def test_failures(serve: Serve, env: dict[str, str]) -> None:
    """Each is a function error in words of its own, and the next event is served."""
    cases = "".join(f"async def case_{n}(send):\n    {code}\n" for n, (code, _, _) in enumerate(FAILING.values()))
    source = f"import asyncio, sys, time\n{cases}async def app(scope, receive, send):\n    await globals()[scope['path'][1:]](send)\n"
    runtime = serve(source, "app:app", "asgi", env=env)
    for number, (name, (_, kind, words)) in enumerate(FAILING.items()):
        asked = changed(http.FUNCTION_URL, rawPath=f"/case_{number}")
        report = runtime.invoke(json.dumps(asked).encode()).report
        assert (name, kind, True) == (name, report["errorType"], words in report["errorMessage"]), report
        assert "conventions" not in "".join(report["stackTrace"])


def test_malformed_events(ask: Ask) -> None:
    """An HTTP event with a broken field is an error that names it."""
    report = ask(app(), json.dumps(changed(http.ALB, path=3)).encode(), "app:app", "asgi").report
    assert ("Runtime.UnmarshalError", True) == (report["errorType"], "path is of type int" in report["errorMessage"])


# ----------------------------------------------------------------------------------------------------------------------
# Streams
# ----------------------------------------------------------------------------------------------------------------------

PART = 'await send({{"type": "http.response.body", "body": b"{0}", "more_body": True}}); print("SENT {0}")'


def body(request: Any) -> bytes:
    """The part of a streamed answer that comes after its prelude."""
    return request.body.partition(bytes(8))[2]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "env",
    [{}, {"HANDLER_CONCURRENCY": "async"}, {"HANDLER_TRANSPORT": "requests"}],
    ids=["alone", "shared loop", "requests"],
)
def test_parts_are_sent_at_once(serve: Serve, tmp_path: Path, env: dict[str, str]) -> None:
    """Behind the prelude, the first before the second is made; buffered, they are joined."""
    during = f"{PART.format('one')}\n    await asyncio.to_thread(lambda: open('go').read())"
    source = app("'two'", during=during)
    runtime = serve(source, "app:app", "asgi", env={**STREAM, **env})
    os.mkfifo(tmp_path / "task" / "go")
    runtime.api.hand_out(event(REQUEST, "streamed"))
    request = runtime.api.wait(lambda: [r for r in runtime.api.answers("streamed") if body(r) == b"one"], "one")[0]
    (tmp_path / "task" / "go").write_text("")
    assert b"onetwo" == body(runtime.answer("streamed").request)
    assert {"statusCode": 200, "headers": {"content-type": "text/plain"}, "cookies": []} == json.loads(
        request.body.partition(bytes(8))[0]
    )


def test_parts_are_joined(ask: Ask) -> None:
    """Where the answer is buffered."""
    assert "one, two" == of(ask(app("', two'", during=PART.format("one")), REQUEST, "app:app", "asgi"))


def test_an_empty_part_sends_the_head(serve: Serve, tmp_path: Path) -> None:
    """So a client knows the status before the first byte of the body."""
    during = f"{PART.format('')}\n    await asyncio.to_thread(lambda: open('go').read())"
    runtime = serve(app(during=during), "app:app", "asgi", env=STREAM)
    os.mkfifo(tmp_path / "task" / "go")
    runtime.api.hand_out(event(REQUEST, "streamed"))
    runtime.api.wait(lambda: [r for r in runtime.api.answers("streamed") if r.body.endswith(bytes(8))], "the head")
    (tmp_path / "task" / "go").write_text("")
    assert b"hello" == body(runtime.answer("streamed").request)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory from /proc")
def test_back_pressure(ask: Ask) -> None:
    """An application that makes more than anyone reads has to wait, so its memory stays small."""
    source = app(
        "next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1]",
        during="for _ in range(120): await send({'type': 'http.response.body', 'body': b'x' * 1024 * 1024, 'more_body': True})",
    )
    answer = ask(source, REQUEST, "app:app", "asgi", env=STREAM)
    assert 100 * 1024 > int(answer.body.rpartition(b"x")[2])


def test_a_stream_that_fails(serve: Serve) -> None:
    """Before its first part it is an ordinary error, later the trailers have it."""
    during = f"if scope['path'] == '/late': {PART.format('one')}\n    raise LookupError('mine')"
    runtime = serve(app(during=during), "app:app", "asgi", env=STREAM)
    assert "LookupError" == runtime.invoke(REQUEST).report["errorType"]
    late = runtime.invoke(json.dumps(changed(http.FUNCTION_URL, rawPath="/late")).encode())
    report = json.loads(base64.b64decode(late.request.trailers["lambda-runtime-function-error-body"]))
    assert (b"one", "LookupError", "mine") == (body(late.request), report["errorType"], report["errorMessage"])


@pytest.mark.parametrize("env", [{}, {"HANDLER_CONCURRENCY": "async"}], ids=["alone", "shared loop"])
def test_a_client_that_leaves(serve: Serve, env: dict[str, str]) -> None:
    """The application is told, what it sends is dropped, and the next event waits until it has ended."""
    during = """
    async def endless():
        while not watching.done():
            await send({'type': 'http.response.body', 'body': bytes(65536), 'more_body': True})
    async def watch():
        await asyncio.sleep(0)
        return await receive()
    watching = asyncio.create_task(watch())
    if scope['path'] == '/endless':
        await endless()
        print('LEFT', watching.result()['type'])
    """
    runtime = serve(app(during=during), "app:app", "asgi", env={**STREAM, **env})
    runtime.api.answer_posts(Reply(202, drop="at once"))
    runtime.api.hand_out(event(json.dumps(changed(http.FUNCTION_URL, rawPath="/endless")).encode(), "left"))
    runtime.child.wait_log("LEFT http.disconnect\n")
    assert b"hello" == body(runtime.invoke(REQUEST).request)


def test_a_head_request_streams_nothing(ask: Ask) -> None:
    """And its application ends."""
    asked = changed(http.FUNCTION_URL, http={"method": "HEAD"})
    answer = ask(app(during=PART.format("one")), json.dumps(asked).encode(), "app:app", "asgi", env=STREAM)
    assert b"" == body(answer.request)


# ----------------------------------------------------------------------------------------------------------------------
# Several at once
# ----------------------------------------------------------------------------------------------------------------------


def test_requests_share_the_loop(serve: Serve) -> None:
    """With HANDLER_CONCURRENCY=async they meet, each with its own invocation, also if no `async def` is in sight."""
    more = "import dispatch\nmeeting = asyncio.Barrier(3)"
    source = app("dispatch.current().request_id", during="await meeting.wait()", more=more)
    source = (
        source.replace("async def app(", "async def inner(") + "def app(*arguments):\n    return inner(*arguments)\n"
    )
    runtime = serve(source, "app:app", "asgi", env={"HANDLER_CONCURRENCY": "async", "HANDLER_WORKERS": "3"})
    names = ["one", "two", "three"]
    runtime.api.hand_out(*[event(REQUEST, name) for name in names])
    assert names == [of(runtime.answer(name)) for name in names]


def test_no_request_leaves_anything_behind() -> None:
    """Hundreds of requests, in this process: no task, no reference cycle."""
    import asyncio
    import gc
    import tempfile

    from dispatch import Invocation, settle
    from dispatch.load import load

    threads = threading.active_count()
    path = list(sys.path)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "leaving.py").write_text(with_lifespan())
        try:
            function = load("leaving:app", folder, "asgi")
        finally:
            sys.path[:] = path
            sys.modules.pop("leaving")

    def once() -> None:
        invocation = Invocation(REQUEST)
        assert b'"hello"' in function(invocation).read()
        while invocation.afterwards:
            _, call, arguments, options = invocation.afterwards.pop()
            call(*arguments, **options)

    async def tasks() -> int:
        return len(asyncio.all_tasks())

    once()
    before = settle(tasks())
    gc.collect()
    gc.disable()
    try:
        for _ in range(300):
            once()
        assert 100 > gc.collect()
    finally:
        gc.enable()
    assert (before, threads) == (settle(tasks()), threading.active_count())
    function.stop()
