"""Every parser that gets a stranger's bytes, as a function that raises only what should not have been raised."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from httptools import HttpParserError, HttpParserUpgrade

from conventions.context import LambdaContext, shared_attributes
from dispatch import error_reports, http, locate
from dispatch.discovery import BUILT_IN
from dispatch.errors import DispatchError, ImportModuleError
from dispatch.function import Function
from dispatch.hints import intended
from dispatch.invocation import Headers, Invocation, handled
from dispatch.load import load
from runtime.local import samples
from runtime.local.config import dispatch_toml, sam_template
from runtime.local.function import FunctionConfig, FunctionSettingError
from runtime.local.function_name import BadFunctionName, FunctionName
from runtime.local.web.prelude import BadPrelude, PreludeSplitter
from runtime.local.web.url_event import BadAnswer, read_answer, read_head
from runtime.package import handlers
from runtime.package.elf import Binary
from runtime.package.errors import PackageError
from runtime.scaffold import files, function
from runtime.settings import Settings
from runtime.transport.kept_alive import _Replies


class Unavailable(Exception):
    """What a parser needs is not installed; the message names it."""


#: Takes an input; raises only what nobody should have to catch.
Check = Callable[[bytes], None]

REPLY: Final = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 1\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n2;x=y\r\n{}\r\n0\r\nA: b\r\n\r\n"
HEADERS: Final = {
    "lambda-runtime-aws-request-id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
    "lambda-runtime-deadline-ms": "9999999999999",
    "lambda-runtime-invoked-function-arn": "arn:aws:lambda:eu-central-1:123456789012:function:steady",
}
TEMPLATE: Final = {
    "Parameters": {"Stage": {"Type": "String", "Default": "dev"}},
    "Conditions": {"Dev": {"Fn::Equals": [{"Ref": "Stage"}, "dev"]}},
    "Globals": {"Function": {"Timeout": 3, "Environment": {"Variables": {"A": {"Ref": "Stage"}}}}},
    "Resources": {
        "One": {
            "Type": "AWS::Serverless::Function",
            "Condition": "Dev",
            "Properties": {
                "FunctionName": {"Fn::Sub": ["${Stage}-one-${X}", {"X": {"Fn::Select": [0, ["a", "b"]]}}]},
                "Handler": {"Fn::If": ["Dev", "app.handler", {"Ref": "AWS::NoValue"}]},
                "Runtime": "python3.13",
                "CodeUri": ".",
                "Layers": [{"Ref": "Layer"}],
                "FunctionUrlConfig": {"AuthType": "NONE", "Cors": {"AllowOrigins": ["*"]}},
                "Environment": {"Variables": {"B": True, "C": None, "D": {"Fn::Join": ["-", [1, "x"]]}}},
                "EventInvokeConfig": {"MaximumRetryAttempts": 1},
                "Events": {"Get": {"Type": "HttpApi", "Properties": {"Path": "/{id}", "Method": "get"}}},
            },
        },
        "Layer": {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "layer"}},
        "Url": {"Type": "AWS::Lambda::Url", "Properties": {"TargetFunctionArn": {"Fn::GetAtt": ["One", "Arn"]}}},
    },
}
TOML: Final = b"""
[functions.one]
handler = "app.handler"
timeout = 3
environment = { A = "b" }
url = { auth = "NONE" }
[functions.two]
handler = "tool.py"
concurrency = 2
"""
SCRIPT: Final = b"""
# /// script
# requires-python = ">=3.11"
# dependencies = ["requests<3"]
# ///
import os
from x import *
def handler(event, context): ...
async def other(event, headers=None): ...
if True:
    main = lambda: None
"""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _only(expected: type[Exception] | tuple[type[Exception], ...], parse: Callable[[bytes], Any]) -> Check:
    """A parser that may refuse its input in these words only."""

    def check(data: bytes) -> None:
        try:
            parse(data)
        except expected:
            return

    return check


def _json(parse: Callable[[Any], Any]) -> Callable[[bytes], Any]:
    """A parser of what has been JSON."""

    def check(data: bytes) -> None:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            return
        parse(value)

    return check


def _reply(data: bytes) -> None:
    replies = _Replies()
    replies.open()
    with suppress(HttpParserError, HttpParserUpgrade):
        replies.feed(data)
        replies.end()


def _http_event(event: Any) -> None:
    if http.kind(event) is None:
        return
    request = http.Request.from_event(event)
    request.environ()
    request.scope()
    json.dumps(http.reply(request, 200, [("content-type", "text/plain"), ("x-a", "b")], request.body))


def _prelude(data: bytes) -> None:
    splitter = PreludeSplitter("application/vnd.awslambda.http-integration-response")
    middle = len(data) // 2
    splitter.feed(data[:middle])
    splitter.feed(data[middle:])
    splitter.finish()
    read_head(splitter.head or {})


def _context(value: Any) -> None:
    if isinstance(value, list) and len(value) == 2:
        headers = {**HEADERS, "lambda-runtime-client-context": value[0], "lambda-runtime-cognito-identity": value[1]}
        context = LambdaContext(Invocation(b"{}", _headers(headers)), shared_attributes())
        repr((context, context.client_context, context.identity, context.get_remaining_time_in_millis()))


def _headers(values: Mapping[str, Any]) -> Headers:
    headers = Headers()
    for name, value in values.items():
        headers.add(name.lower(), name, str(value))
    return headers


def _settings(value: Any) -> None:
    if isinstance(value, dict):
        Settings.from_environ({_variable(name).replace("=", ""): _variable(item) for name, item in value.items()})


def _variable(value: Any) -> str:
    """Text as it can be in the environment."""
    return os.fsdecode(str(value).encode(errors="replace").replace(b"\0", b""))


def _in_file(name: str, read: Callable[[Path], Any], folder: Path) -> Callable[[bytes], Any]:
    """A parser of files."""

    def check(data: bytes) -> None:
        file = folder / name
        file.write_bytes(data)
        read(file)

    return check


def _template(file: Path) -> None:
    sam_template.read(file, FunctionConfig(root=str(file.parent)))


def _toml(file: Path) -> None:
    dispatch_toml.functions(dispatch_toml.read(file), file.parent, FunctionConfig(root=str(file.parent)))


def _module(file: Path) -> None:
    handlers.bound_names(file)
    handlers.handler_strings([file])
    handlers.script_requirements(file)


def _strings(data: bytes) -> None:
    text = _text(data)
    intended(text)
    locate.locate(text, ".")


def _samples() -> list[bytes]:
    return [text.encode() for text in samples.load_all().values()]


def _plain(expected: type[Exception] | tuple[type[Exception], ...], parse: Any, seeds: Iterable[bytes]) -> Any:
    """A parser without a state of its own."""

    @contextmanager
    def ready() -> Iterator[tuple[Check, list[bytes]]]:
        yield _only(expected, parse), list(seeds)

    return ready


def _filed(
    expected: type[Exception] | tuple[type[Exception], ...], name: str, read: Any, seeds: Iterable[bytes]
) -> Any:
    @contextmanager
    def ready() -> Iterator[tuple[Check, list[bytes]]]:
        with TemporaryDirectory() as folder:
            yield _only(expected, _in_file(name, read, Path(folder))), list(seeds)

    return ready


@contextmanager
def _convention(name: str) -> Iterator[tuple[Check, list[bytes]]]:
    """The function that `dispatch new function` writes for a convention, and any event."""
    about = function.about(name)
    os.environ.update(about.variables)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        files.write(root / "new", function.files("fuzzed", name))
        task = root / "new" / "function"
        os.chdir(task)
        try:
            loaded = load(about.handler, str(task), name)
        except ImportModuleError as error:
            raise Unavailable(str(error)) from None
        loaded.start()
        seeds = [next((root / "new").glob("event.*")).read_bytes(), *_samples()]
        try:
            yield partial(_handled, loaded, str(task)), seeds
        finally:
            loaded.stop()
            os.chdir("/")


def _handled(function: Function, root: str, data: bytes) -> None:
    """Handle an event; an error is the user's, or one of ours with a type."""
    invocation = Invocation(data, _headers(HEADERS))
    try:
        body = function(invocation).body
        for chunk in () if isinstance(body, bytes) else body:
            assert isinstance(chunk, bytes)
    except DispatchError as error:
        json.dumps(error_reports.report(error, "1"))
    except BaseException as error:
        if not _is_the_users(error, root):
            raise
    finally:
        for current, later, arguments, options in invocation.afterwards or ():
            token = handled.set(current)
            with suppress(Exception):
                later(*arguments, **options)
            handled.reset(token)


def _is_the_users(error: BaseException, root: str) -> bool:
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith((root, "<")):
            return True
        trace = trace.tb_next
    return False


SETTINGS: Final = {
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
    "_HANDLER": "app.handler",
    "LAMBDA_TASK_ROOT": "/",
    "HANDLER_CONVENTION": "json",
    "HANDLER_ENCODING": "utf-8",
    "HANDLER_WORKERS": "2",
    "HANDLER_TRANSPORT": "requests",
}
CONTEXT: Final = ['{"client": {"app_title": "a"}, "custom": {"a": "b"}, "env": {}}', '{"cognitoIdentityId": "a"}']
ANSWER: Final = (
    b'{"statusCode": 200, "headers": {"a": "b"}, "cookies": ["c=d"], "body": "aGk=", "isBase64Encoded": true}'
)
ARN: Final = b"arn:aws:lambda:eu-central-1:123456789012:function:one:2"

PARSERS: Final[dict[str, Any]] = {
    "reply": _plain((), _reply, [REPLY, CHUNKED]),
    "handler-string": _plain(
        DispatchError, _strings, [b"app.handler", b"tool.py", b"event[::-1]", b"a.pyz/b.c", b"../x"]
    ),
    "settings": _plain(DispatchError, _json(_settings), [json.dumps(SETTINGS).encode()]),
    # A context that is JSON, but no object, is an AttributeError, as in AWS's client.
    "context": _plain((DispatchError, AttributeError), _json(_context), [json.dumps(CONTEXT).encode()]),
    "http-event": _plain(DispatchError, _json(_http_event), _samples()),
    "prelude": _plain((BadPrelude, BadAnswer), _prelude, [ANSWER + b"\0" * 8 + b"body"]),
    "url-answer": _plain(BadAnswer, read_answer, [ANSWER]),
    "function-name": _plain(
        BadFunctionName, lambda data: FunctionName.parse(_text(data)), [ARN, ARN[28:], b"one:LIVE"]
    ),
    "template": _filed(FunctionSettingError, "template.json", _template, [json.dumps(TEMPLATE).encode()]),
    "dispatch.toml": _filed(FunctionSettingError, "dispatch.toml", _toml, [TOML]),
    "module": _filed(PackageError, "app.py", _module, [SCRIPT]),
    "binary": _filed(PackageError, "library.so", Binary.read, [Path(sys.executable).resolve().read_bytes()[:20000]]),
    **{f"convention-{name}": partial(_convention, name) for name in BUILT_IN},
}


def prepared(name: str) -> Any:
    """A context in which the parser is ready: its check and its seeds. Raises Unavailable."""
    return PARSERS[name]()
