"""The `wsgi` convention: PEP 3333 to the letter, buffered and streamed."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.api import event
from support.http_events import EVENTS, changed, delivered
from support.runtime import Ask, Fail, Serve
from support.wire import Reply

from dispatch import http

REQUEST = json.dumps(EVENTS[http.FUNCTION_URL]).encode()
STREAM = {"HANDLER_INVOKE_MODE": "RESPONSE_STREAM"}
OK = 'start_response("200 OK", [("content-type", "text/plain")])'
HELLO = f"def app(environ, start_response):\n    {OK}\n    return [b'hello']\n"
MODES = pytest.mark.parametrize("env", [{}, STREAM], ids=["buffered", "streamed"])


def at(path: str, **fields: Any) -> bytes:
    """An event of a function URL for this path."""
    return json.dumps(changed(http.FUNCTION_URL, rawPath=path, **fields)).encode()


def of(answer: Any, env: Any = None) -> tuple[int, str]:
    """Status and body of the response in an answer to a function URL."""
    if env:
        head, _, content = answer.body.partition(bytes(8))
        return json.loads(head)["statusCode"], content.decode()
    status, _, content = delivered(http.FUNCTION_URL, json.loads(answer.body))
    return status, content.decode()


def test_every_kind_of_event(serve: Serve) -> None:
    """Each gets the response in its own format."""
    source = f"""
    def app(environ, start_response):
        write = {OK}
        path = environ["PATH_INFO"].encode("latin-1")
        return [path, environ["wsgi.input"].read(), environ["CONTENT_LENGTH"].encode()]
    """
    runtime = serve(source, "app:app", "wsgi")
    for kind in http.KINDS:
        asked = http.Request("POST", "/caf%C3%A9", "", [("host", "example.com"), ("content-type", "text/plain")], b"!")
        answer = runtime.invoke(json.dumps(http.event(asked, kind)).encode())
        assert (200, [("content-type", "text/plain")], "/café!1".encode()) == delivered(kind, json.loads(answer.body))


@MODES
def test_validator(serve: Serve, env: dict[str, str]) -> None:
    """The standard library's validator finds nothing, on either side, for bodies of every kind."""
    source = """
    import warnings
    from wsgiref.validate import validator
    warnings.simplefilter("error")

    def inner(environ, start_response):
        kind = environ["PATH_INFO"]
        write = start_response("201 Created", [("Content-Type", "text/plain")])
        length = int(environ["CONTENT_LENGTH"])
        assert len(environ["wsgi.input"].read(length)) == length
        environ["wsgi.errors"].write(kind + "\\n")
        if kind == "/written":
            write(b"a"); write(b"b")
            return []
        return iter([b"", b"a", b"", b"b"]) if kind == "/iterated" else [b"ab"]

    app = validator(inner)
    """
    runtime = serve(source, "app:app", "wsgi", env=env)
    bodies = {"body": "abc", "http": {"method": "POST"}, "headers": {"content-type": "text/plain", "host": "x"}}
    for path in ("/written", "/iterated", "/listed"):
        for fields in ({}, bodies):
            assert (201, "ab") == of(runtime.invoke(at(path, **fields)), env), runtime.child.log
        runtime.child.wait_log(f"{path}\n")


def test_environ(ask: Ask) -> None:
    """It has the event, the managed runtime's context, and what is taken off the path."""
    source = f"""
    import dispatch
    def app(environ, start_response):
        {OK}
        seen = [
            environ["aws.event"]["rawPath"], environ["aws.context"].aws_request_id == dispatch.current().request_id,
            environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["wsgi.multithread"], environ["wsgi.multiprocess"],
        ]
        return [repr(seen).encode()]
    """
    answer = ask(source, at("/base/x"), "app.app", "wsgi", env={"HANDLER_BASE_PATH": "/base"})
    assert (200, "['/base/x', True, '/base', '/x', False, False]") == of(answer)


BODIES = {
    "list": "return [b'one', b'two']",
    "tuple": "return (b'onetwo',)",
    "generator": "return (part for part in [b'', b'one', b'two'])",
    "generator function": None,
    "written": "write(b'one'); write(b'two'); return []",
    "written and returned": "write(b'one'); return iter([b'two'])",
    "written while iterated": "return (write(b'one') or b'' if part else b'two' for part in (1, 0))",
    "written at the end": "return (b'one' if part else write(b'two') or b'' for part in (1, 0))",
    "file": "import io; return io.BytesIO(b'onetwo')",
}


@MODES
def test_bodies(serve: Serve, env: dict[str, str]) -> None:
    """Any iterable, and `write`, in the order in which they come."""
    source = "".join(
        f"def case_{n}(environ, start_response):\n    write = {OK}\n    {code}\n"
        for n, code in enumerate(BODIES.values())
        if code
    )
    number = list(BODIES).index("generator function")
    source += f"def case_{number}(environ, start_response):\n    {OK}\n    yield b'one'\n    yield b'two'\n"
    source += (
        "def app(environ, start_response):\n    return globals()[environ['PATH_INFO'][1:]](environ, start_response)\n"
    )
    runtime = serve(source, "app:app", "wsgi", env=env)
    for number, name in enumerate(BODIES):
        assert (name, 200, "onetwo") == (name, *of(runtime.invoke(at(f"/case_{number}")), env))


@MODES
def test_close(serve: Serve, env: dict[str, str]) -> None:
    """It is called once, whether the body was read, failed, or is not wanted."""
    source = f"""
    class Body:
        def __init__(self, environ):
            self.path = environ["PATH_INFO"]
            self.left = 2
        def __iter__(self):
            return self
        def __next__(self):
            self.left -= 1
            if self.path == "/fails":
                raise LookupError("mine")
            if self.left < 0:
                raise StopIteration
            return b"x"
        def close(self):
            print("CLOSED", self.path)
    def app(environ, start_response):
        if environ["PATH_INFO"] != "/silent":
            {OK}
        return Body(environ)
    """
    runtime = serve(source, "app:app", "wsgi", env=env)
    assert (200, "xx") == of(runtime.invoke(at("/read")), env)
    assert "LookupError" == runtime.invoke(at("/fails")).report["errorType"]
    assert "Runtime.MarshalError" == runtime.invoke(at("/silent")).report["errorType"]
    assert (200, "") == of(runtime.invoke(at("/head", http={"method": "HEAD"})), env)
    log = runtime.end()
    closed = [line for line in log.splitlines() if line.startswith("CLOSED")]
    assert ["CLOSED /read", "CLOSED /fails", "CLOSED /silent", "CLOSED /head"] == closed


def test_parts_are_sent_at_once(serve: Serve, tmp_path: Path) -> None:
    """Under RESPONSE_STREAM the first part is here before the second is made."""
    source = f"def app(environ, start_response):\n    {OK}\n    yield b'one'\n    open('go').read()\n    yield b'two'\n"
    runtime = serve(source, "app:app", "wsgi", env=STREAM)
    os.mkfifo(tmp_path / "task" / "go")
    runtime.api.hand_out(event(REQUEST, "streamed"))
    request = runtime.api.wait(lambda: [r for r in runtime.api.answers("streamed") if r.body.endswith(b"one")], "one")[
        0
    ]
    assert not request.complete
    (tmp_path / "task" / "go").write_text("")
    assert (200, "onetwo") == of(runtime.answer("streamed"), STREAM)


def test_a_client_that_leaves(serve: Serve) -> None:
    """The application's generator is closed, and the next event is served."""
    source = f"""
    def endless():
        try:
            while True:
                yield bytes(65536)
        finally:
            print("CLOSED")
    def app(environ, start_response):
        {OK}
        return endless() if environ["PATH_INFO"] == "/endless" else [b"hello"]
    """
    runtime = serve(source, "app:app", "wsgi", env=STREAM)
    runtime.api.answer_posts(Reply(202, drop="at once"))
    runtime.api.hand_out(event(at("/endless"), "left"))
    runtime.child.wait_log("CLOSED\n")
    assert (200, "hello") == of(runtime.invoke(REQUEST), STREAM)


START_AGAIN = """
import sys
def fail():
    raise LookupError("mine")
def app(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    yield b"" if environ["PATH_INFO"] == "/early" else b"sent"
    try:
        fail()
    except LookupError:
        start_response("503 Sorry", [("content-type", "text/plain")], sys.exc_info())
    yield b" sorry"
"""


def test_start_again_with_an_exception(serve: Serve) -> None:
    """The new status counts until something has been sent; after that the exception goes on."""
    buffered = serve(START_AGAIN, "app:app", "wsgi")
    assert [(503, " sorry"), (503, "sent sorry")] == [of(buffered.invoke(at(path))) for path in ("/early", "/late")]
    streamed = serve(START_AGAIN, "app:app", "wsgi", env=STREAM)
    assert (503, " sorry") == of(streamed.invoke(at("/early")), STREAM)
    late = streamed.invoke(at("/late"))
    report = json.loads(base64.b64decode(late.request.trailers["lambda-runtime-function-error-body"]))
    assert ((200, "sent"), "LookupError", "mine") == (of(late, STREAM), report["errorType"], report["errorMessage"])


FAILING = {
    "raise LookupError('mine')": ("LookupError", "mine"),
    "return [b'x']": ("Runtime.MarshalError", "did not call start_response"),
    f"{OK}; {OK}": ("RuntimeError", "a second time, without exc_info"),
    f"{OK}; return None": ("Runtime.MarshalError", "must return an iterable of bytes, not NoneType"),
    f"{OK}; return 'text'": ("Runtime.MarshalError", "must return an iterable of bytes, not str"),
    f"{OK}; return ['text']": ("Runtime.MarshalError", "must be bytes, not str"),
    f"{OK}('text')": ("Runtime.MarshalError", "must be bytes, not str"),
    "start_response(200, [])": ("ValueError", "not a WSGI status: 200; it must be text like '200 OK'"),
    "start_response('2000', [])": ("ValueError", "not a WSGI status: '2000'"),
    "start_response('999 X', []); return []": ("Runtime.MarshalError", "from 100 to 599, not 999"),
    "start_response('200 OK', [('a', 'b\\n')]); return []": ("Runtime.MarshalError", "must not contain line ends"),
    "import sys; sys.exit(3)": ("Runtime.ExitError", "3"),
}


@MODES
def test_failures(serve: Serve, env: dict[str, str]) -> None:
    """Each is a function error in words of its own, and the next event is served."""
    source = "".join(f"def case_{n}(environ, start_response):\n    {code}\n" for n, code in enumerate(FAILING))
    source += (
        "def app(environ, start_response):\n    return globals()[environ['PATH_INFO'][1:]](environ, start_response)\n"
    )
    runtime = serve(source, "app:app", "wsgi", env=env)
    for number, (code, (kind, words)) in enumerate(FAILING.items()):
        report = runtime.invoke(at(f"/case_{number}")).report
        assert (code, kind, True) == (code, report["errorType"], words in report["errorMessage"]), report


@MODES
def test_other_events(serve: Serve, env: dict[str, str]) -> None:
    """They are posted to the events path; a status of 400 or more is a function error."""
    source = """
    def app(environ, start_response):
        body = environ["wsgi.input"].read()
        status = "500 No" if body == b'"fail"' else "200 OK"
        start_response(status, [("Content-Type", "application/own")])
        return [environ["REQUEST_METHOD"].encode(), environ["PATH_INFO"].encode(), body]
    """
    runtime = serve(source, "app:app", "wsgi", env=env)
    answer = runtime.invoke(b'{"Records": []}')
    assert (b'POST/events{"Records": []}', "application/own") == (answer.body, answer.request.header("Content-Type"))
    report = runtime.invoke(b'"fail"').report
    assert ("ApplicationError", 'the application answered POST /events with status 500: POST/events"fail"') == (
        report["errorType"],
        report["errorMessage"],
    )


WRONG = {
    "async def app(scope, receive, send): pass": "not an application for wsgi, but one for asgi",
    "class App:\n    async def __call__(self, scope, receive, send): pass\napp = App()": "set HANDLER_CONVENTION to asgi",
    "def app(scope, receive, send): pass": "not an application for wsgi, but one for asgi",
    "def app(): pass": "it takes 0 arguments",
    "app = None": "wsgi calls app(environ, start_response)",
}


@pytest.mark.parametrize("source", WRONG)
def test_what_is_no_application(fail: Fail, source: str) -> None:
    """It is an init error that says what is there and what to do."""
    failed = fail(source, "app:app", "wsgi")
    assert ("Runtime.HandlerNotFound", True) == (failed.type, WRONG[source] in failed.report["errorMessage"])


def test_not_several_at_once(fail: Fail) -> None:
    """A WSGI application runs in one thread, so several at once need processes."""
    failed = fail(HELLO, "app:app", "wsgi", env={"HANDLER_CONCURRENCY": "async"})
    assert "Runtime.InvalidSetting" == failed.type


@pytest.mark.parametrize("transport", ["socket", "requests"])
def test_after_the_response(serve: Serve, transport: str) -> None:
    """`dispatch.after_response` works as anywhere."""
    source = "import dispatch\n" + HELLO.replace("return", "dispatch.after_response(print, 'LATER')\n    return")
    runtime = serve(source, "app:app", "wsgi", env={"HANDLER_TRANSPORT": transport})
    assert [(200, "hello")] * 2 == [of(runtime.invoke(REQUEST)) for _ in range(2)]
    runtime.child.wait_log("LATER\nLATER\n")
