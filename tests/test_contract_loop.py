"""The loop: connections, what `/next` may answer, and how the Runtime API is addressed."""

from __future__ import annotations

from typing import Any

import pytest
from support.api import FakeRuntimeApi, event, refusal
from support.runtime import Serve
from support.wire import Reply, reserved_port

ECHO = "def handler(event, headers):\n    return event\n"
TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "requests"])


@pytest.fixture
def runtime(serve: Serve, transport: str) -> Any:
    """A runtime that echoes, over either transport."""
    return serve(ECHO, env={"HANDLER_TRANSPORT": transport})


@TRANSPORTS
def test_one_connection_kept_alive(runtime: Any) -> None:
    """All goes over one connection."""
    for body in (b"a", b"b", b"c"):
        assert body == runtime.invoke(body).body
    assert {1} == {request.connection for request in runtime.api.requests}


def test_answer_and_next_poll_travel_together(serve: Serve) -> None:
    """Small buffered answers and the next poll go out in one write over the socket transport."""
    runtime = serve(ECHO)
    for _ in range(5):
        runtime.invoke(b"x")
    polls = runtime.api.wait_for("GET", "next", 5)
    assert [poll.number for poll in polls[1:]] == [poll.number for poll in polls if poll.pipelined]


@TRANSPORTS
def test_user_agent_names_the_product(runtime: Any) -> None:
    """The first call says who polls."""
    poll = runtime.api.wait_for("GET", "next")[0]
    assert "python/" in (poll.header("User-Agent") or "")
    assert (None, b"") == (poll.header("Expect"), poll.body)


FRAMINGS = {
    "chunked": {"framing": "chunked"},
    "bytewise": {"bytewise": True},
    "chunked bytewise": {"framing": "chunked", "bytewise": True},
    "until close": {"framing": "close"},
    "connection close": {"close": True},
    "http/1.0": {"version": "1.0"},
    "http/1.0 until close": {"version": "1.0", "framing": "close"},
}


@TRANSPORTS
@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS)
@pytest.mark.parametrize("body", [b"", b"event", b"x" * 3000], ids=["empty", "small", "larger"])
def test_framings(runtime: Any, framing: dict[str, Any], body: bytes) -> None:
    """An event may come in every framing of HTTP, and the next one after it."""
    if framing == {"bytewise": True} and len(body) > 100:
        body = body[:300]
    if framing == {"framing": "close"}:
        # Headers without a length and nothing behind them may be a reply that was cut off among its headers.
        body = body or b" "
    assert [body, body, b"after"] == [
        runtime.invoke(body, **framing).body,
        runtime.invoke(body, **framing).body,
        runtime.invoke(b"after").body,
    ]
    assert [] == [r for r in runtime.api.requests if r.method == "POST" and r.route.endswith("/error")]


@TRANSPORTS
def test_204_polls_again(runtime: Any) -> None:
    """204 on /next is no event: it is polled again at once."""
    runtime.api.hand_out(Reply(204), Reply(204), Reply(204), Reply(204), Reply(204))
    assert b"x" == runtime.invoke(b"x").body


@TRANSPORTS
def test_204_ends_a_row_of_failures(runtime: Any) -> None:
    """An answer of 204 is no failure, so failures before and after it are not in a row."""
    runtime.api.hand_out(*[refusal(503), refusal(503), Reply(204)] * 2)
    assert b"x" == runtime.invoke(b"x").body


@TRANSPORTS
def test_dropped_connection_is_opened_again(runtime: Any) -> None:
    """A poll whose connection goes, idle or in mid-answer, is sent again on another; the loop goes on."""
    api = runtime.api
    api.hand_out(Reply(drop="unanswered"))
    assert b"a" == runtime.invoke(b"a").body
    api.hand_out(event(b"cut off", "half", drop="midway"))
    assert b"b" == runtime.invoke(b"b").body
    assert [] == api.answers("half")


@TRANSPORTS
def test_drops_between_events_never_add_up(runtime: Any) -> None:
    """Three failures in a row end it; one before each event does not."""
    for body in (b"1", b"2", b"3", b"4", b"5"):
        runtime.api.hand_out(Reply(drop="unanswered"))
        assert body == runtime.invoke(body).body


@TRANSPORTS
@pytest.mark.parametrize(
    "failure", [refusal(403), refusal(503), refusal(429, "Throttled"), refusal(502)], ids=lambda r: str(r.status)
)
def test_transient_failures_are_tried_again(runtime: Any, failure: Reply) -> None:
    """403 or a transient failure: tried again, and served if it goes away."""
    runtime.api.hand_out(failure, failure)
    assert b"x" == runtime.invoke(b"x").body


@TRANSPORTS
@pytest.mark.parametrize("failure", [refusal(403), refusal(503)], ids=lambda r: str(r.status))
def test_lasting_failures_end_it(runtime: Any, failure: Reply) -> None:
    """Up to three times in a row, then the process exits with status 1 and has said why."""
    runtime.api.hand_out(*[failure] * 9)
    assert 1 == runtime.child.wait()
    polls = len(runtime.api.finished("GET", "next"))
    assert 3 <= polls <= 4
    assert str(failure.status) in runtime.child.log


@TRANSPORTS
def test_500_ends_it_at_once(runtime: Any) -> None:
    """500 on /next is not recoverable: status 1 after a single poll."""
    runtime.api.hand_out(*[refusal(500, "ContainerError")] * 5)
    assert (1, 1) == (runtime.child.wait(), len(runtime.api.finished("GET", "next")))


@TRANSPORTS
def test_server_that_goes_away(runtime: Any) -> None:
    """If nobody listens any more, the process exits with status 1, soon."""
    runtime.invoke(b"x")
    runtime.api.wait_for("GET", "next", 2)
    runtime.api.stop()
    assert 1 == runtime.child.wait()


@TRANSPORTS
def test_nobody_listens(serve: Serve, transport: str) -> None:
    """The same from the start."""
    with reserved_port() as port:
        address = f"127.0.0.1:{port}"
        runtime = serve(ECHO, env={"HANDLER_TRANSPORT": transport, "AWS_LAMBDA_RUNTIME_API": address})
        assert 1 == runtime.child.wait()
        assert address in runtime.child.log


@TRANSPORTS
@pytest.mark.parametrize(
    "form", ["{a}", "http://{a}", "{a}/", "http://{a}/", "{a}/.rt/function", "http://{a}/.rt/function/"]
)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_forms_of_the_address(serve: Serve, host: str, form: str, transport: str) -> None:
    """A scheme, a path prefix and IPv6 brackets are accepted."""
    with FakeRuntimeApi(host) as api:
        env = {"HANDLER_TRANSPORT": transport, "AWS_LAMBDA_RUNTIME_API": form.format(a=api.address)}
        runtime = serve(ECHO, api=api, env=env)
        answer = runtime.invoke(b"x")
        prefix = "/.rt/function" if ".rt" in form else ""
        assert {f"{prefix}/2018-06-01/runtime/"} == {request.path[: -len(request.route)] for request in api.requests}
        assert (b"x", api.address) == (answer.body, answer.request.header("Host"))


@TRANSPORTS
def test_proxies_are_ignored(serve: Serve, transport: str) -> None:
    """No proxy setting diverts the Runtime API's traffic."""
    dead = "http://127.0.0.1:9"
    env = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"), dead)
    assert b"x" == serve(ECHO, env={"HANDLER_TRANSPORT": transport, **env}).invoke(b"x").body


@TRANSPORTS
def test_netrc_is_ignored(serve: Serve, tmp_path: Any, transport: str) -> None:
    """Credentials that the home folder has for the host stay there."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    runtime = serve(ECHO, env={"HANDLER_TRANSPORT": transport, "HOME": str(tmp_path)})
    assert None is runtime.invoke(b"x").request.header("Authorization")


@TRANSPORTS
@pytest.mark.parametrize("request_id", ["plain", "with space", "a/b?c#d%41", "é"])
def test_request_ids_are_quoted(runtime: Any, request_id: str) -> None:
    """Whatever the id is, it comes back percent-encoded in the path, as one segment."""
    from urllib.parse import quote

    raw = request_id.encode().decode("latin-1")
    runtime.api.hand_out(event(b"x", headers={"Lambda-Runtime-Aws-Request-Id": raw}))
    answer = runtime.api.wait_for("POST", "/response")[0]
    assert answer.route in {f"invocation/{quote(text, safe='')}/response" for text in (request_id, raw)}


@TRANSPORTS
@pytest.mark.parametrize(
    "source", [ECHO, "def handler(event, headers):\n    1 / 0\n", "def handler(event, headers):\n    yield event\n"]
)
@pytest.mark.parametrize("value", ["an-id/with=signs", None, ""])
def test_invocation_id_goes_back(serve: Serve, transport: str, source: str, value: str | None) -> None:
    """Lambda-Runtime-Invocation-Id, where it came, goes back verbatim; else nothing is sent."""
    runtime = serve(source, env={"HANDLER_TRANSPORT": transport})
    runtime.invoke(b"", {"Lambda-Runtime-Invocation-Id": "another"})
    answer = runtime.invoke(b"", {"Lambda-Runtime-Invocation-Id": value})
    assert (value or None) == answer.request.header("Lambda-Runtime-Invocation-Id")


@TRANSPORTS
def test_event_without_optional_headers(runtime: Any) -> None:
    """An event needs nothing but its id."""
    names = ("Lambda-Runtime-Deadline-Ms", "Lambda-Runtime-Invoked-Function-Arn", "Content-Type")
    for value in (None, ""):
        assert b"x" == runtime.invoke(b"x", dict.fromkeys(names, value)).body


@TRANSPORTS
def test_large_events_and_answers(runtime: Any) -> None:
    """Events and answers of the largest size that Lambda takes go through, and the small one after."""
    body = b"x" * (6 * 1024 * 1024)
    assert body == runtime.invoke(body).body
    assert b"small" == runtime.invoke(b"small").body
