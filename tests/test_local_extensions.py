"""The Extensions API of the local platform; the refusals are the bytes that AWS's emulator sends."""

from __future__ import annotations

import http.client
import select
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from support.local import Client, Got, LocalRuntimeApi, client, runtime_api

from runtime.testing import Function, serving

NAME = "Lambda-Extension-Name"
IDENTIFIER = "Lambda-Extension-Identifier"
ERROR_TYPE = {"Lambda-Extension-Function-Error-Type": "Extension.Bad"}
UNKNOWN = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def api() -> Iterator[LocalRuntimeApi]:
    """A Runtime API that no process knows."""
    with runtime_api() as one:
        yield one


@pytest.fixture
def caller(api: LocalRuntimeApi) -> Iterator[Client]:
    """A connection to it."""
    with client(api.address) as one:
        yield one


def call(caller: Client, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Got:
    """One call of the Extensions API."""
    return caller.call(method, f"/2020-01-01/extension/{path}", body or None, headers)


def register(caller: Client, name: str = "a", body: bytes = b'{"events": []}') -> Got:
    """Register an extension."""
    return call(caller, "POST", "register", {NAME: name}, body)


def identify(got: Got) -> dict[str, str]:
    """The header that a registered extension calls with."""
    return {IDENTIFIER: got.headers[IDENTIFIER.lower()]}


def refusal(error_type: str, message: str) -> tuple[int, bytes]:
    """A refusal as AWS's emulator writes it."""
    return 403, f'{{"errorMessage":"{message}","errorType":"Extension.{error_type}"}}\n'.encode()


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("", b'{"events": []}', refusal("InvalidExtensionName", "Empty extension name")),
        (
            "b",
            b'{"events": ["SHUTDOWN"]}',
            refusal("InvalidEventType", "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"),
        ),
        ("b", b'{"events": ["NOPE"]}', refusal("InvalidEventType", "NOPE: ErrorInvalidEventType")),
        ("a", b"{}", refusal("InvalidExtensionState", "Extension with this name already registered")),
    ],
)
def test_registrations_that_are_refused(caller: Client, name: str, body: bytes, expected: tuple[int, bytes]) -> None:
    """A name is needed, and new; INVOKE is all that an internal extension may ask for."""
    assert 200 == register(caller).status
    got = register(caller, name, body)
    assert expected == (got.status, got.body)


@pytest.mark.parametrize("body", [b"nope", b"[]", b"", b'{"events": 1}'])
def test_a_body_that_is_none(caller: Client, body: bytes) -> None:
    """What is not an object with events is refused, and registers nothing."""
    got = register(caller, body=body)
    assert (403, "InvalidRequestFormat") == (got.status, got.json["errorType"])
    assert 200 == register(caller).status


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, refusal("MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")),
        ({IDENTIFIER: "x"}, refusal("InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")),
        ({IDENTIFIER: UNKNOWN}, refusal("UnknownExtensionIdentifier", f"Unknown extension {UNKNOWN}")),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "event/next"), ("POST", "init/error"), ("POST", "exit/error")])
def test_callers_that_are_unknown(
    caller: Client, method: str, path: str, headers: dict[str, str], expected: tuple[int, bytes]
) -> None:
    """Every call but the registration needs the identifier that it gave."""
    got = call(caller, method, path, headers)
    assert expected == (got.status, got.body)


def test_strange_addresses(caller: Client) -> None:
    """What is not there, and what takes another method."""
    assert 404 == call(caller, "GET", "nope").status
    got = call(caller, "GET", "register")
    assert (405, "POST") == (got.status, got.headers["allow"])


@pytest.mark.parametrize(("path", "state"), [("init/error", "InitError"), ("exit/error", "ExitError")])
def test_an_extension_that_fails(caller: Client, path: str, state: str) -> None:
    """Its report needs a type; afterwards it gets no events."""
    own = identify(register(caller))
    untyped = call(caller, "POST", path, own)
    message = "Lambda-Extension-Function-Error-Type not found"
    assert refusal("MissingHeader", message) == (untyped.status, untyped.body)
    assert 202 == call(caller, "POST", path, {**own, **ERROR_TYPE}).status
    got = call(caller, "GET", "event/next", own)
    message = (
        f"State transition from {state} to Ready failed for extension {own[IDENTIFIER]}. "
        "Error: State transition is not allowed"
    )
    assert refusal("InvalidExtensionState", message) == (got.status, got.body)


def test_events() -> None:
    """Who asked for INVOKE gets every event, also one from before the poll; who did not waits until all ends."""
    with runtime_api() as api, client(api.address) as caller:
        silent = Client(api.address).connection
        told = register(caller, "keen", b'{"events": ["INVOKE"]}')
        assert {"functionName": "function", "functionVersion": "$LATEST", "handler": ""} == told.json
        quiet = identify(register(caller, "quiet"))
        silent.request("GET", "/2020-01-01/extension/event/next", headers=quiet)
        for number in "12":
            api.offer(b"{}", number, arn="arn:f", trace_id="Root=1")
            assert number == caller.next().headers["lambda-runtime-aws-request-id"]
            event = call(caller, "GET", "event/next", identify(told)).json
            assert event.pop("deadlineMs") > 0
            expected = {
                "eventType": "INVOKE",
                "requestId": number,
                "invokedFunctionArn": "arn:f",
                "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1"},
            }
            assert expected == event
            caller.runtime("POST", f"runtime/invocation/{number}/response", b"x")
        late = register(caller, "late")
        assert refusal("RegistrationClosed", "Extension registration closed already") == (late.status, late.body)
        assert ([], [], []) == select.select([silent.sock], [], [], 0)
    with pytest.raises(http.client.RemoteDisconnected):
        silent.getresponse()
    silent.close()


SOURCE = """
import atexit
def handler(event, headers):
    return event
atexit.register(lambda: open('atexit', 'w').close())
"""
HOOK = "def dispatch_shutdown(reason):\n    open('hook', 'w').write(reason)\n"


def test_the_runtimes_own_extension(tmp_path: Path) -> None:
    """With HANDLER_SHUTDOWN=extension events are served, and at the end the hook and atexit run."""
    (tmp_path / "app.py").write_text(SOURCE)
    (tmp_path / "own.py").write_text(HOOK)
    variables = {"HANDLER_SHUTDOWN": "extension", "HANDLER_PLUGINS": "own"}
    with serving(Function(handler="app.handler", root=tmp_path, environment=variables, timeout=20)) as local:
        first, second = local.invoke(b"one"), local.invoke(b"two")
        assert (b"one", b"two") == (first.body, second.body), first.log
        assert first.report.environment == second.report.environment
    assert "SIGTERM" == (tmp_path / "hook").read_text()
    assert (tmp_path / "atexit").exists()
