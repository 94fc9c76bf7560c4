"""One table of events and answers, the same at every height: in process, over each transport, and under both emulators."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from support import rie
from support.batches import sqs
from support.runtime import COMMAND, Runtime

import dispatch
from dispatch import exceptions, http
from dispatch.load import load

ROOT = Path(__file__).parent / "samples" / "table"
CLIENT = "Lambda-Runtime-Client-Context"


@dataclass
class Json:
    """An answer that is compared by its value: how JSON is spaced is nobody's business."""

    value: Any


@dataclass
class Fails:
    """An invocation error of this type."""

    type: str


class Setting(NamedTuple):
    """What one environment serves."""

    handler: str
    convention: str
    encoding: str = "utf-8"


@dataclass
class Case:
    """One event for one handler."""

    setting: Setting
    event: bytes
    expected: bytes | Json | Fails
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """What the test report calls it."""
        event = self.event[:24].decode("ascii", "backslashreplace")
        return f"{self.setting.convention}-{self.setting.handler}-{self.setting.encoding}-{event}"


def cases(handler: str, convention: str, *rows: tuple[Any, ...], encoding: str = "utf-8") -> list[Case]:
    """The rows (event, expected, headers) of one handler."""
    return [Case(Setting(handler, convention, encoding), *row) for row in rows]


def at(path: str) -> bytes:
    """An event of a load balancer for this path."""
    return json.dumps(http.event(http.Request("POST", quote(path), body=b"!"), http.ALB_MULTI_VALUE)).encode()


def page(path: str) -> Json:
    """What both applications answer to it."""
    headers = {"content-type": ["text/plain"]}
    return Json(
        {
            "statusCode": 200,
            "multiValueHeaders": headers,
            "statusDescription": "200 OK",
            "body": f"{path} !",
            "isBase64Encoded": False,
        }
    )


def web_action(body: str) -> Json:
    """What an action answers with this body, which other origins may read."""
    answer = page("").value
    headers = {
        "Access-Control-Allow-Origin": ["*"],
        "Access-Control-Allow-Methods": ["OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH"],
        "Access-Control-Allow-Headers": ["Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent"],
        "Content-Type": ["text/plain; charset=UTF-8"],
    }
    return Json({**answer, "multiValueHeaders": headers, "body": body})


TEXT = "Grüße, 世界 \0 \N{SNAKE}\r\n".encode()
UTF16 = "Grüße, 世界".encode("utf-16")
UNDECODABLE = Fails("Runtime.UnmarshalError")
ONE_BAD = json.dumps(sqs("ok", "bad", "fine")).encode()
FAILED: dict[str, Any] = {"batchItemFailures": [{"itemIdentifier": "m-bad"}]}
CLOUD_EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "/s",
    "type": "t",
    "time": "2026-01-02T03:04:05Z",
    "data": [1],
}
CLOUD = json.dumps(CLOUD_EVENT).encode()
TABLE = [
    *cases("functions.echo", "auto", (TEXT, TEXT), (b"", b""), (b"\xff", UNDECODABLE), (b"x" * 70_000, b"x" * 70_000)),
    *cases("functions.echo", "standard", ("é".encode("latin-1"),) * 2, (b"\xff\x00",) * 2, encoding="latin-1"),
    *cases("functions.echo", "standard", (UTF16, UTF16), (b"\x00", UNDECODABLE), encoding="utf-16"),
    *cases("functions.as_bytes", "standard", (b"ab", b"\x00\xffa\x00b\x00")),
    *cases("functions.nothing", "standard", (b"ab", b"")),
    *cases("functions.number", "standard", (b"", Fails("Runtime.MarshalError"))),
    *cases("functions.context_header", "standard", (b"", b'{"custom": {}}', {CLIENT: '{"custom": {}}'})),
    *cases("functions.is_current", "standard", (b"", b"True"), (b"again", b"True")),
    *cases("functions.fails", "standard", (b"why", Fails("LookupError"))),
    *cases("functions.waits", "standard", (b"abc", b"cba"), (b"", b"")),
    *cases("functions.words", "standard", (b"one two", b"one\ntwo\n"), (b"", b"")),
    *cases("functions.awaited_words", "standard", (b"one two", b"onetwo"), (b"", b"")),
    *cases("functions.fails_at_once", "standard", (b"why", Fails("LookupError"))),
    *cases("functions.instance", "standard", (b"care", b"called with care")),
    *cases("scripts/cat.py", "auto", (TEXT, TEXT), (b"", b""), (b"\xff\xfe\x00", b"\xff\xfe\x00")),
    *cases("scripts/greet.py", "script", (b"Ada\nand more", b"Hello, Ada!"), ("Zoë".encode(), "Hello, Zoë!".encode())),
    *cases("scripts/greet.py", "script", (b"Zo\xeb", b"Hello, Zo\xeb!"), encoding="latin-1"),
    *cases("scripts/greet.py", "script", (b"", Fails("EOFError"))),
    *cases("scripts/cells.py", "script", (b'a,"b\r\nc"\r\n', b"[['a', 'b\\r\\nc']]")),
    *cases("scripts/empty.py", "script", (b"", b""), (b"anything", b"")),
    *cases("scripts/counter.py", "script", (b"1", b"1 in False, ['scripts/counter.py']")),
    *cases("scripts/leave.py", "script", (b"null", b"said"), (b"0", b"said"), (b"3", Fails("Runtime.ExitError"))),
    *cases("scripts/leave.py", "script", (b'"words"', Fails("Runtime.ExitError")), (b"[]", Fails("Runtime.ExitError"))),
    *cases("scripts/guarded.py", "script", (b"four", b"4"), (b"\xff", Fails("UnicodeDecodeError"))),
    *cases("event.upper()", "auto", (b"Ada", b"ADA"), (b"", b"")),
    *cases("event", "expression", (TEXT, TEXT), (b"\xff", UNDECODABLE)),
    *cases(f"headers['{CLIENT}']", "expression", (b"", b'{"custom": {}}', {CLIENT: '{"custom": {}}'})),
    *cases("lambda event, headers: event[::-1]", "auto", (b"abc", b"cba")),
    *cases("import json; data = json.loads(event); data['name']", "auto", (b'{"name": "Ada"}', b"Ada")),
    *cases("from functions import echo; echo", "auto", (b"abc", b"abc")),
    *cases("1 / int(event)", "auto", (b"0", Fails("ZeroDivisionError")), (b"1", Fails("Runtime.MarshalError"))),
    *cases("values.echo", "json", (b'{"a": [1, 2.5, null, "\\u00e9"]}', Json({"a": [1, 2.5, None, "é"]}))),
    *cases("values.echo", "json", (b"nonsense", UNDECODABLE), (b'"\xff"', UNDECODABLE), (b"true", Json(True))),
    *cases("values.rich", "json", (b'"decimal"', b"1.10"), (b'"datetime"', Json("2026-01-02T03:04:05"))),
    *cases("values.rich", "json", (b'"date"', Json("2026-01-02")), (b'"set"', Json([7])), (b'"frozenset"', Json([7]))),
    *cases("values.rich", "json", (b'"uuid"', Json("00000000-0000-0000-0000-000000000001")), (b'"enum"', Json("red"))),
    *cases("values.rich", "json", (b'"dataclass"', Json({"x": 1, "y": 2.5}))),
    *cases("values.rich", "json", (b'"nested"', Json([{"point": {"x": 0, "y": 3}, "colours": ["red"]}]))),
    *cases("values.alien", "json", (b"1", Fails("Runtime.MarshalError"))),
    *cases("values.doubled", "json", (b"21", Json(42))),
    *cases("values.lines", "json", (b'["a", 1, null]', b'"a"\n1\nnull\nraw')),
    *cases("values.mirrored", "json", (b'{"x": 1, "y": 1.10}', b'{"x":-1,"y":1.10}'), (b'{"x": "a"}', UNDECODABLE)),
    *cases("values.fails", "json", (b"1", Fails("ZeroDivisionError"))),
    *cases("scripts/answer.py", "json", (b"[1]", Json({"handler": "scripts/answer.py", "event": [1]}))),
    *cases("managed.echo", "lambda", (b'{"a": [1, null]}', b'{"a": [1, null]}'), (b"nonsense", UNDECODABLE)),
    *cases("managed.raw", "lambda", (b"{}", b"\x00raw\xff")),
    *cases("managed.decimal", "lambda", (b"{}", b'{"price": 1.10}')),
    *cases("managed.known", "lambda", (b"{}", Json([True, True, True, True]))),
    *cases(
        "managed.client",
        "lambda",
        (b"{}", Json([{"a": 1}, "t"]), {CLIENT: '{"custom": {"a": 1}, "client": {"app_title": "t"}}'}),
    ),
    *cases("managed.alien", "lambda", (b"{}", Fails("Runtime.MarshalError"))),
    *cases("managed.waits", "lambda", (b"1", b"[1]")),
    *cases("managed.fails", "lambda", (b"{}", Fails("KeyError"))),
    *cases("streams.upper", "stream", (b"one\ntwo\xff\0", b"ONE\nTWO\xff\0"), (b"", b"")),
    *cases("streams.flushed", "stream", (b"abcde", b"ab.cd.e."), (b"", b"")),
    *cases("streams.silent", "stream", (b"abcde", b"")),
    *cases("streams.context_header", "stream", (b"", b'{"custom": {}}', {CLIENT: '{"custom": {}}'})),
    *cases("streams.waits", "stream", (b"abc", b"cba")),
    *cases("streams.fails", "stream", (b"abc", Fails("OSError"))),
    *cases("batches.plain", "records", (ONE_BAD, Json(FAILED)), (b"{}", UNDECODABLE), (b"x", UNDECODABLE)),
    *cases("batches.waits", "records", (ONE_BAD, Json(FAILED)), (b'{"Records": []}', Json({"batchItemFailures": []}))),
    *cases("batches.generator", "records", (ONE_BAD, Json(FAILED))),
    *cases("web:asgi", "asgi", (at("/café"), page("/café")), (b'{"n": 1}', b'/events {"n": 1}'), (b"{", UNDECODABLE)),
    *cases("web.asgi", "asgi", (at("/fail"), Fails("LookupError")), (b'"fail"', Fails("ApplicationError"))),
    *cases("web:wsgi", "wsgi", (at("/café"), page("/café")), (b'{"n": 1}', b'/events {"n": 1}'), (b"{", UNDECODABLE)),
    *cases("web.wsgi", "wsgi", (at("/fail"), Fails("LookupError")), (b'"fail"', Fails("ApplicationError"))),
    *cases(
        "actions.main",
        "openwhisk",
        (at("/café"), web_action("/caf%C3%A9 !")),
        (b'{"error": "no"}', Fails("ApplicationError")),
    ),
    *cases("actions.handle", "openfaas", (at("/café"), page("/café")), (b"\xff", b"/ \xff")),
    *cases(
        "func.handle", "knative", (at("/café"), page("/café")), (b'{"n": 1}', b'/events {"n": 1}'), (b"{", UNDECODABLE)
    ),
    *cases("pages.handler", "vercel", (at("/café"), page("/café")), (b'{"n": 1}', b'/events {"n": 1}')),
    *cases("programs/cat.sh", "auto", (TEXT, TEXT), (b"", b""), (b"\xff\xfe\x00", b"\xff\xfe\x00")),
    *cases("programs/fails.sh", "auto", (b"x", Fails("Runtime.ExitError")), (b"", Fails("Runtime.ExitError"))),
    *cases("programs/context.sh", "process", (b"", b'{"custom": {}}', {CLIENT: '{"custom": {}}'})),
    *cases("tr a-z 'A-Z'", "process", (b"one two\n", b"ONE TWO\n"), (b"", b"")),
    *cases("hooks.shout", "auto", (b"abc\n", b"ABC\n"), (b"", b"")),
    *cases("hooks.same", "shell", ("Grüße\n\n".encode(),) * 2, (b"$(id) `id` '\" *",) * 2, (b"x" * 200_000,) * 2),
    *cases("hooks.fails", "shell", (b"x", Fails("Runtime.ExitError"))),
    *cases("hooks.leaves", "shell", (b"x", Fails("Runtime.ExitError"))),
    *cases("programs/lines.py", "coprocess", (b'{"a": 1.10}', b'{"a": 1.10}'), ('"Grüße"'.encode(),) * 2),
    *cases("programs/lines.py", "coprocess", (b"nonsense", UNDECODABLE), (b'"x"' + b" " * 200_000 + b"\n", b'"x"')),
    *cases("programs/lines.py", "coprocess", (b'"fails"', Fails("LookupError")), (b'"chunks"', b"one two")),
    *cases("programs/lines.py", "coprocess", (b'"nonsense"', Fails("Runtime.MarshalError")), (b"1", b"1")),
    *cases("programs/lines.py", "coprocess", (b'"ends"', Fails("Runtime.ExitError")), (b"2", b"2")),
    *cases("programs/lines.py", "coprocess", (b'"context"', Json('{"custom": {}}'), {CLIENT: '{"custom": {}}'})),
    *cases("programs/lines.py 'an argument'", "coprocess", ('"\xe9"'.encode("latin-1"),) * 2, encoding="latin-1"),
]
if find_spec("cloudevents"):
    TABLE += [
        *cases("cloud.answers", "cloudevent", (CLOUD, Json(["t", [1]])), (b"{}", UNDECODABLE), (b"[]", UNDECODABLE)),
        *cases("cloud.nothing", "cloudevent", (CLOUD, Json(None))),
        *cases("cloud.echo", "cloudevent", (CLOUD, Json(CLOUD_EVENT))),
        *cases("cloud.fails", "cloudevent", (CLOUD, Fails("LookupError"))),
    ]

Outcome = bytes | Fails
Invoke = Callable[[bytes, Mapping[str, str]], Outcome]


@contextmanager
def in_process(setting: Setting) -> Iterator[Invoke]:
    """The function loaded into this very process, whose state is put back afterwards."""
    modules, path, folder = dict(sys.modules), list(sys.path), os.getcwd()
    try:
        function = load(setting.handler, str(ROOT), setting.convention)

        def invoke(body: bytes, headers: Mapping[str, str]) -> Outcome:
            given = {
                "Lambda-Runtime-Aws-Request-Id": "0123456789",
                "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 60_000),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:::function:sample",
                "Content-Type": "application/json",
                **headers,
            }
            try:
                response = function(dispatch.Invocation(body, given, setting.encoding))
                return response.body if isinstance(response.body, bytes) else b"".join(response.body)
            except BaseException as error:
                return Fails(exceptions.error_type(error))

        yield invoke
    finally:
        os.chdir(folder)
        sys.path[:] = path
        # A library that is loaded twice is two: their classes differ.
        for name, module in [*sys.modules.items()]:
            if name not in modules and ROOT in Path(getattr(module, "__file__", None) or "").parents:
                del sys.modules[name]
        sys.modules.update(modules)


def environment(setting: Setting, **more: str) -> dict[str, str]:
    """The variables that say it."""
    return {"HANDLER_CONVENTION": setting.convention, "HANDLER_ENCODING": setting.encoding, **more}


@contextmanager
def scripted(setting: Setting, transport: str = "socket") -> Iterator[Invoke]:
    """The runtime as a subprocess over the scripted Runtime API."""
    env = environment(setting, HANDLER=setting.handler, HANDLER_TRANSPORT=transport)
    with Runtime(COMMAND, ROOT, env) as runtime:

        def invoke(body: bytes, headers: Mapping[str, str]) -> Outcome:
            answer = runtime.invoke(body, dict(headers))
            return answer.body if answer.kind == "response" else Fails(answer.report["errorType"])

        yield invoke


@contextmanager
def over_requests(setting: Setting) -> Iterator[Invoke]:
    """The same over the other transport."""
    with scripted(setting, "requests") as invoke:
        yield invoke


@contextmanager
def on_platform(setting: Setting) -> Iterator[Invoke]:
    """The runtime under the embedded local platform."""
    from runtime.testing import Function, serving

    function = Function(handler=setting.handler, root=ROOT, environment=environment(setting, HANDLER=setting.handler))
    with serving(function) as platform:

        def invoke(body: bytes, headers: Mapping[str, str]) -> Outcome:
            result = platform.invoke(body, client_context=headers.get(CLIENT, ""))
            return result.body if result.error is None else Fails(result.error.type)

        yield invoke


@contextmanager
def under_rie(setting: Setting) -> Iterator[Invoke]:
    """The runtime under AWS's Runtime Interface Emulator, which passes errors as if they were answers."""
    with rie.rie(setting.handler, ROOT, environment(setting)) as emulator:

        def invoke(body: bytes, headers: Mapping[str, str]) -> Outcome:
            answer = emulator.invoke(body, headers)
            if not answer.startswith(b'{"errorMessage"'):
                return answer
            return Fails(json.loads(answer)["errorType"])

        yield invoke


HEIGHTS = [in_process, scripted, over_requests, on_platform, under_rie]

#: The heights that differ in what carries the events, not in Python: one Python is enough.
CARRIERS = {over_requests, under_rie}

#: Settings with which the second transport is tried: the first one of each convention.
FIRST = {case.setting.convention: case.setting for case in reversed(TABLE)}.values()


def is_tried(height: object, setting: Setting) -> bool:
    """Whether a setting is tried at that height."""
    return height not in CARRIERS or (
        sys.version_info[:2] == (3, 13) and (height is not over_requests or setting in FIRST)
    )


@pytest.fixture(scope="module")
def serving(request: pytest.FixtureRequest) -> Iterator[Invoke]:
    """One environment, kept for all events of its handler."""
    height, setting = request.param
    if height is under_rie:
        try:
            rie.binary()
        except rie.NoEmulator as reason:
            pytest.skip(str(reason))
    with ExitStack() as stack:
        yield stack.enter_context(height(setting))


@pytest.mark.parametrize(
    ("serving", "case"),
    [
        pytest.param((height, case.setting), case, id=f"{height.__name__}-{case.id}")
        for height in HEIGHTS
        for case in TABLE
        if is_tried(height, case.setting)
    ],
    indirect=["serving"],
)
def test_table(serving: Invoke, case: Case) -> None:
    """The event gets the answer that the table promises."""
    outcome = serving(case.event, case.headers)
    if isinstance(case.expected, Json) and isinstance(outcome, bytes):
        assert case.expected.value == json.loads(outcome)
        return
    assert case.expected == outcome
