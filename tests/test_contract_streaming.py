"""Async and streamed answers: chunk by chunk, with trailers where they fail."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import Any

import pytest
from support.api import event
from support.runtime import Ask, Serve

STREAMED = {
    "standard": "def handler(event, headers):\n    yield 'one'\n    {pause}\n    yield b'two'\n",
    "standard async": "async def handler(event, headers):\n    yield 'one'\n    {pause}\n    yield b'two'\n",
    "standard iterator": "def handler(event, headers):\n    def make():\n        yield 'one'\n        {pause}\n        yield b'two'\n"
    "    return make()\n",
    "standard awaited": "async def handler(event, headers):\n    def make():\n        yield 'one'\n        {pause}\n"
    "        yield b'two'\n    return make()\n",
    "json": "def handler(event, headers):\n    yield b'one'\n    {pause}\n    yield b'two'\n",
    "lambda": "def handler(event, context):\n    yield 'one'\n    {pause}\n    yield b'two'\n",
    "stream": "def handler(input, output, headers):\n    output.write(b'one')\n    output.flush()\n    {pause}\n    output.write(b'two')\n",
    "expression": "def f(event, headers):\n    import app\n    yield 'one'\n    app.pause()\n    yield b'two'\nf",
}
PAUSE = "import os\ndef pause():\n    open('go').read()\n"
TRAILERS = ("lambda-runtime-function-error-type", "lambda-runtime-function-error-body")


@pytest.mark.parametrize("transport", ["socket", "requests"])
@pytest.mark.parametrize("kind", STREAMED)
def test_chunk_by_chunk(serve: Serve, tmp_path: Any, kind: str, transport: str) -> None:
    """Each item is sent at once: the first is here before the second is made."""
    import os

    source = STREAMED[kind].format(pause="pause()")
    files = {"app.py": PAUSE} if kind == "expression" else {"app.py": PAUSE + source}
    convention = kind.split(maxsplit=1)[0]
    handler = source if kind == "expression" else "app.handler"
    runtime = serve(files, handler, convention, env={"HANDLER_TRANSPORT": transport})
    os.mkfifo(tmp_path / "task" / "go")
    runtime.api.hand_out(event(b"1", "streamed"))
    api = runtime.api
    request = api.wait(lambda: [r for r in api.answers("streamed") if r.body == b"one"], "the first chunk")[0]
    assert not request.complete
    (tmp_path / "task" / "go").write_text("")
    answer = runtime.answer("streamed")
    assert ([b"one", b"two"], "response") == (answer.request.chunks, answer.kind)
    assert "streaming" == answer.request.header("Lambda-Runtime-Function-Response-Mode")
    assert "chunked" == answer.request.header("Transfer-Encoding")
    assert set(TRAILERS) >= {*answer.request.trailers}
    names = {name.strip().lower() for name in (answer.request.header("Trailer") or "").split(",")}
    assert set(TRAILERS) == names


def test_streamed_answer_travels_alone(serve: Serve) -> None:
    """The next poll does not travel with a streamed answer, and events after it are served."""
    runtime = serve("def handler(event, headers):\n    yield event\n    yield event\n")
    assert [b"aa", b"bb"] == [runtime.invoke(body).body for body in (b"a", b"b")]
    assert [] == [poll.number for poll in runtime.api.finished("GET", "next") if poll.pipelined]


FAILS_LATE = {
    "standard": "def handler(event, headers):\n    yield 'one'\n    raise KeyError('läte')\n",
    "async": "async def handler(event, headers):\n    yield 'one'\n    raise KeyError('läte')\n",
    "json": "def handler(event, headers):\n    yield b'one'\n    raise KeyError('läte')\n",
    "lambda": "def handler(event, headers):\n    yield b'one'\n    raise KeyError('läte')\n",
    "stream": "def handler(input, output, headers):\n    output.write(b'one')\n    output.flush()\n    raise KeyError('läte')\n",
}


@pytest.mark.parametrize("transport", ["socket", "requests"])
@pytest.mark.parametrize("kind", FAILS_LATE)
def test_failure_after_the_first_chunk(serve: Serve, kind: str, transport: str) -> None:
    """A failure after the first chunk is reported in the trailers, type and base64 body, and nowhere else."""
    convention = "standard" if kind == "async" else kind
    runtime = serve(FAILS_LATE[kind], "app.handler", convention, env={"HANDLER_TRANSPORT": transport})
    answer = runtime.invoke(b"1")
    trailers = answer.request.trailers
    report = json.loads(base64.b64decode(trailers[TRAILERS[1]]))
    assert ("response", b"one", "KeyError") == (answer.kind, answer.body, trailers[TRAILERS[0]])
    assert "KeyError" == report["errorType"]
    assert "läte" in report["errorMessage"]
    assert "app.py" in "".join(report["stackTrace"])
    runtime.child.wait_log("KeyError")
    runtime.invoke(b"1")
    assert [] == runtime.api.finished("POST", "/error")


@pytest.mark.parametrize("error", ["GeneratorExit", "SystemExit(3)", "KeyboardInterrupt", "asyncio.CancelledError"])
@pytest.mark.parametrize("kind", FAILS_LATE)
def test_exits_after_the_first_chunk(serve: Serve, kind: str, error: str) -> None:
    """The same for exceptions that are meant to end something: the stream is ended properly, and the next one served."""
    convention = "standard" if kind == "async" else kind
    source = "import asyncio\n" + FAILS_LATE[kind].replace("KeyError('läte')", error)
    answers = [serve(source, "app.handler", convention).invoke(b"1") for _ in range(2)]
    assert [b"one"] * 2 == [answer.body for answer in answers]
    assert "" not in [answer.request.trailers[TRAILERS[0]] for answer in answers]


FAILS_EARLY = {
    "generator": "def handler(event, headers):\n    if event: raise KeyError('early')\n    yield 1\n",
    "async generator": "async def handler(event, headers):\n    if event: raise KeyError('early')\n    yield 1\n",
    "coroutine": "async def handler(event, headers):\n    raise KeyError('early')\n",
    "function": "def handler(event, headers):\n    raise KeyError('early')\n",
}


@pytest.mark.parametrize("kind", FAILS_EARLY)
@pytest.mark.parametrize("convention", ["standard", "json", "lambda"])
def test_failure_before_the_first_chunk(ask: Ask, convention: str, kind: str) -> None:
    """A failure before the first chunk is an ordinary invocation error."""
    answer = ask(FAILS_EARLY[kind], b"1", convention=convention)
    assert ("KeyError", None) == (answer.report["errorType"], answer.request.header("Transfer-Encoding"))


@pytest.mark.parametrize(
    ("convention", "items", "expected"),
    [
        ("standard", ["'a'", "b'\\xff'", "'é'"], [b"a", b"\xff", "é".encode()]),
        ("json", ["{'a': 1}", "'text'", "b'raw'", "None"], [b'{"a":1}\n', b'"text"\n', b"raw", b"null\n"]),
        ("lambda", ["{'a': 1}", "'text'", "b'raw'"], [b'{"a": 1}', b"text", b"raw"]),
        ("standard", ["'a'", "''", "b''", "'b'"], [b"a", b"b"]),
        ("standard", ["'x' * 100_000"], None),
    ],
)
def test_items(ask: Ask, convention: str, items: list[str], expected: list[bytes] | None) -> None:
    """Bytes and text go as they are; json makes a JSON line of all but bytes; an empty item ends nothing."""
    source = "def handler(event, headers):\n" + "".join(f"    yield {item}\n" for item in items)
    answer = ask(source, b"1", convention=convention)
    if expected is None:
        assert b"x" * 100_000 == answer.body
    else:
        assert expected == answer.request.chunks


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8"])
@pytest.mark.parametrize("convention", ["standard", "json", "stream"])
def test_one_mark_a_stream(ask: Ask, convention: str, encoding: str) -> None:
    """Where an encoding begins with a byte order mark, a stream of text has it once."""
    source = "def handler(event, *more):\n    yield 'é'\n    yield b''\n    yield 'ü'\n"
    answer = ask(source, '"x"'.encode(encoding), convention=convention, env={"HANDLER_ENCODING": encoding})
    assert ('"é"\n"ü"\n' if convention == "json" else "éü").encode(encoding) == answer.body


def test_stream_that_returns_a_response(ask: Ask) -> None:
    """An HTTPResponse that a function of the stream convention returns is an error, not lost."""
    source = "import dispatch\ndef handler(input, output, headers):\n    return dispatch.HTTPResponse(404)\n"
    assert "Runtime.MarshalError" == ask(source, convention="stream").report["errorType"]


def test_files_that_go_back(ask: Ask) -> None:
    """In the stream convention a writer may change what it has not flushed, and counts what it has."""
    source = """
        import io, zipfile
        def handler(input, output, headers):
            with zipfile.ZipFile(output, "w") as archive:
                archive.writestr("a.txt", "A" * 100)
                output.flush()
                archive.writestr("b.txt", input.read())
                output.flush()
                try:
                    output.seek(0)
                except io.UnsupportedOperation:
                    archive.writestr("refused", "")
    """
    answer = ask(source, b"B", convention="stream")
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert {"a.txt": b"A" * 100, "b.txt": b"B", "refused": b""} == {n: archive.read(n) for n in archive.namelist()}


def test_item_of_a_wrong_type(ask: Ask) -> None:
    """An item that standard can't send is an error: in the trailers, if it is not the first."""
    answer = ask("def handler(event, headers):\n    yield 'a'\n    yield 5\n")
    assert (b"a", "Runtime.MarshalError") == (answer.body, answer.request.trailers[TRAILERS[0]])
    assert "error" == ask("def handler(event, headers):\n    yield 5\n").kind


def test_async_iterable_that_cannot_be_closed(ask: Ask) -> None:
    """A failure of its aclose() at its end is a failure of the stream, which ends with it."""
    source = """
    class Items:
        def __aiter__(self): return self
        left = [b"a"]
        async def __anext__(self):
            if not self.left: raise StopAsyncIteration
            return self.left.pop()
        async def aclose(self): raise KeyError("closing")
    async def handler(event, headers): return Items()
    """
    answer = ask(source)
    assert (b"a", "KeyError") == (answer.body, answer.request.trailers[TRAILERS[0]])


def test_empty_stream(serve: Serve) -> None:
    """A generator without items is an empty answer."""
    runtime = serve("def handler(event, headers):\n    if 0: yield\n    return\n")
    assert [("response", b"")] * 2 == [runtime.invoke()[:2] for _ in range(2)]


def test_loop_lives_as_long_as_the_environment(serve: Serve) -> None:
    """One event loop serves all events; timeouts and tasks work inside async generators."""
    source = """
    import asyncio
    loops = set()
    async def handler(event, headers):
        loops.add(asyncio.get_running_loop())
        async with asyncio.timeout(20):
            yield str(len(loops))
            await asyncio.sleep(0)
            yield str(asyncio.current_task() is not None)
    """
    runtime = serve(source)
    assert [b"1True", b"1True"] == [runtime.invoke().body for _ in range(2)]


@pytest.mark.parametrize(
    ("arguments", "prelude", "body"),
    [
        ("body='text'", {"statusCode": 200}, b"text"),
        ("201, {'X-Own': 'a', 'Content-Type': 'text/plain'}, ['a=b', 'c=d'], iter([b'x', 'y'])", None, b"xy"),
        ("status=404, body=b''", {"statusCode": 404}, b""),
        ("status=200, headers={'X': 'no nul'}, body=b'\\0' * 9", None, b"\0" * 9),
    ],
)
@pytest.mark.parametrize("convention", ["standard", "json", "lambda"])
def test_http_response(ask: Ask, convention: str, arguments: str, prelude: dict[str, Any] | None, body: bytes) -> None:
    """HTTPResponse writes the prelude, eight NULs and the body, with its content type."""
    source = f"import dispatch\ndef handler(event, headers):\n    return dispatch.HTTPResponse({arguments})\n"
    if convention == "json":
        body = {b"text": b'"text"\n', b"xy": b'x"y"\n'}.get(body, body)
    answer = ask(source, b"1", convention=convention)
    head, _, rest = answer.body.partition(b"\0" * 8)
    assert "application/vnd.awslambda.http-integration-response" == answer.request.header("Content-Type")
    assert "streaming" == answer.request.header("Lambda-Runtime-Function-Response-Mode")
    said = json.loads(head)
    if prelude:
        assert prelude["statusCode"] == said["statusCode"]
    elif "201" in arguments:
        assert (201, ["a=b", "c=d"], "a") == (said["statusCode"], said["cookies"], said["headers"]["X-Own"])
    assert body == rest


def test_caller_that_hangs_up(serve: Serve) -> None:
    """If the connection goes while it streams, the generator is closed and the next event is served."""
    source = """
    def handler(event, headers):
        if event == "short":
            yield "fine"
            return
        try:
            while True:
                yield "x" * 65536
        finally:
            print("generator closed")
    """
    from support.wire import Reply

    runtime = serve(source)
    runtime.api.answer_posts(Reply(drop="at once"))
    runtime.api.hand_out(event(b"long", "cut"))
    runtime.child.wait_log("generator closed")
    assert b"fine" == runtime.invoke(b"short").body
    assert 1 == len(runtime.api.answers("cut"))
