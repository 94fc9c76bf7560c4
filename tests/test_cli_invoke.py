"""`dispatch invoke` against `dispatch serve`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.local import ServerProcess
from support.process import await_true
from support.wire import reserved_port

from runtime.local import samples

FUNCTIONS = """
import time
def handler(event, context):
    print("handling", event)
    if "raise" in event:
        raise ValueError(event["raise"])
    if "touch" in event:
        open(event["touch"], "w").close()
    return event
def stream(event, context):
    yield b"first "
    if "raise" in event:
        raise ValueError(event["raise"])
    yield b"second"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests."""
    root = tmp_path_factory.mktemp("invoked")
    (root / "app.py").write_text(FUNCTIONS)
    tables = "".join(
        f"[functions.{name}]\nhandler = 'app.{name}'\nconvention = 'lambda'\n" for name in ("handler", "stream")
    )
    (root / "dispatch.toml").write_text(f"timeout = 20\n{tables}")
    with ServerProcess(root, "--no-reload") as one:
        yield one


def invoke(server: ServerProcess, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "runtime.cli", "invoke", *arguments],
        input=stdin,
        env={**os.environ, "AWS_ENDPOINT_URL_LAMBDA": server.address},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_answer_and_nothing_else(server: ServerProcess, tmp_path: Path) -> None:
    """The event comes from where it is given, the answer goes to standard output alone."""
    (tmp_path / "event.json").write_text('{"from": "file"}')
    for arguments, stdin, expected in (
        (["-e", '{"a": 1}'], "", {"a": 1}),
        (["-f", str(tmp_path / "event.json")], "", {"from": "file"}),
        (["-"], '{"from": "pipe"}', {"from": "pipe"}),
        (["--example", "sqs"], "", json.loads(samples.load("sqs"))),
        ([], "", {}),
    ):
        done = invoke(server, "handler", *arguments, stdin=stdin)
        assert (expected, "", 0) == (json.loads(done.stdout), done.stderr, done.returncode)


def test_a_function_error_is_status_1(server: ServerProcess) -> None:
    """Type, message and frames go to standard error."""
    for arguments in ((), ("--stream",)):
        done = invoke(server, "handler", "-e", '{"raise": "no"}', *arguments)
        assert ("", 1) == (done.stdout, done.returncode)
        assert done.stderr.startswith("ValueError: no\n")
        assert 'raise ValueError(event["raise"])' in done.stderr


def test_the_log_is_shown_on_request(server: ServerProcess) -> None:
    """--tail shows it on standard error, streamed or not."""
    for name, arguments in (("handler", ()), ("handler", ("--stream",))):
        done = invoke(server, name, "-e", '{"a": 1}', "--tail", *arguments)
        assert "handling {'a': 1}" in done.stderr
        assert "REPORT RequestId" in done.stderr
        assert {"a": 1} == json.loads(done.stdout)


def test_a_stream_is_printed_as_far_as_it_came(server: ServerProcess) -> None:
    """Both chunks of one that succeeds; the first and the error of one that does not."""
    assert "first second" == invoke(server, "stream", "--stream").stdout
    failed = invoke(server, "stream", "--stream", "-e", '{"raise": "late"}')
    assert ("first ", 1) == (failed.stdout, failed.returncode)
    assert "ValueError: late" in failed.stderr


def test_an_event_is_only_queued(server: ServerProcess, tmp_path: Path) -> None:
    """--event has no answer; the request id is told on standard error, and the function gets the event."""
    file = tmp_path / "touched"
    done = invoke(server, "handler", "--event", "-e", json.dumps({"touch": str(file)}))

    assert ("", 0) == (done.stdout, done.returncode)
    assert re.fullmatch(r"dispatch: queued the event; its request id is [0-9a-f-]{36}\n", done.stderr)
    await_true(file.exists)


def test_a_function_url(server: ServerProcess) -> None:
    """A URL is posted to as it is."""
    done = invoke(server, f"{server.address}/lambda-url/handler/path?x=1", "-e", '{"a": 1}')

    event = json.loads(done.stdout)
    assert ("/path", '{"a": 1}', "POST") == (event["rawPath"], event["body"], event["requestContext"]["http"]["method"])


def test_many_are_measured(server: ServerProcess) -> None:
    """--repeat tells how many failed and how long they took, and its status is 1 if any failed."""
    done = invoke(server, "handler", "-e", "{}", "--repeat", "20", "--concurrency", "4", "--json")
    summary = json.loads(done.stdout)
    assert (20, 0, {}, 0) == (summary["invocations"], summary["failed"], summary["errors"], done.returncode)
    assert 0 < summary["minMs"] <= summary["medianMs"] <= summary["p95Ms"] <= summary["maxMs"]

    failed = invoke(server, "handler", "-e", '{"raise": "no"}', "--repeat", "3")
    assert ("", 1) == (failed.stdout, failed.returncode)
    assert "3 invocations, 3 failed" in failed.stderr
    assert "3 times: ValueError: no" in failed.stderr


def test_json_says_all(server: ServerProcess) -> None:
    """--json is one object."""
    done = invoke(server, "handler", "-e", '{"a": 1}', "--json", "--tail")
    told = json.loads(done.stdout)

    assert (200, {"a": 1}, None) == (told["status"], json.loads(told["answer"]), told["error"])
    assert "START" in told["log"]


def test_what_can_not_be_invoked(server: ServerProcess) -> None:
    """An unknown function, a server that is not there, a sample that there is not: each is said."""
    assert "ResourceNotFoundException Function not found" in invoke(server, "nothing").stderr
    with reserved_port() as port:
        nobody = invoke(server, "handler", "--endpoint", f"http://127.0.0.1:{port}")
    assert ("", 1) == (nobody.stdout, nobody.returncode)
    nothing = (
        f"no server is listening at http://127.0.0.1:{port}; start one with `dispatch serve`, or pass its --endpoint"
    )
    assert f"{nothing}\n" == nobody.stderr
    unknown = invoke(server, "handler", "--example", "nothing")
    assert 2 == unknown.returncode
    assert "available: activemq, alb" in unknown.stderr


def hang_up(server: socket.socket) -> None:
    """Take one connection, and close it."""
    server.accept()[0].close()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("localhost:9000", "the endpoint must begin with http:// or https://, not be 'localhost:9000'"),
        ("http://[::1", "not an address: 'http://[::1'; it must have a host, and may have a port, like http://127"),
        ("http://127.0.0.1:99999", "not an address: 'http://127.0.0.1:99999'"),
        ("http://no-such-host.invalid", "the host 'no-such-host.invalid' is not known; check the endpoint"),
        ("http://127.0.0.1:{closing}", "no complete answer from http://127.0.0.1:{closing}/2015-03-31/functions/x/"),
        ("https://127.0.0.1:{closing}", "no complete answer from https://127.0.0.1:{closing}/2015-03-31/functions/x/"),
    ],
)
def test_no_answer_is_one_sentence(server: ServerProcess, address: str, words: str) -> None:
    """Whatever the reason is, as long as the request cannot be answered."""
    with socket.create_server(("127.0.0.1", 0)) as closing, ThreadPoolExecutor(1) as pool:
        port = closing.getsockname()[1]
        pool.submit(hang_up, closing)
        done = invoke(server, "x", "--endpoint", address.format(closing=port))
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()

    assert words.format(closing=port) in done.stderr
    assert not {"Traceback", "HTTPConnectionPool", "urllib3"} & set(re.findall(r"\w+", done.stderr))


@pytest.mark.parametrize("name", samples.names())
def test_each_sample_is_json(name: str) -> None:
    """A sample is an object, and what it holds as JSON inside JSON is JSON."""
    assert isinstance(json.loads(samples.load(name)), dict)
