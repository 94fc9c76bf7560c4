"""The images' entry point as an HTTP service: what each engine starts it with, asks it, and ends it by."""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.files import write
from support.process import Child
from support.serving import ask, serving
from support.wire import reserved_port

DEPLOY = Path(__file__).parents[1] / "examples" / "deploy"
FUNCTIONS = DEPLOY / "functions"
EVENT = b'{"name": "World"}'
LINES = b'{"lines": [{"price": "0.10", "count": 3}]}'
#: A function that answers when the test has written to a pipe.
WAITING = """\
import os, sys
def handler(event, headers):
    print("handling", file=sys.stderr, flush=True)
    with open("pipe") as pipe:
        return {"read": pipe.read()}
"""
AGENT = """\
from bedrock_agentcore import BedrockAgentCoreApp
app = BedrockAgentCoreApp()
@app.entrypoint
def invoke(payload):
    return {"said": payload["prompt"]}
"""


@contextmanager
def served(*arguments: str, env: Mapping[str, str] | None = None, cwd: Path = FUNCTIONS) -> Iterator[tuple[Child, int]]:
    """The entry point of the image without an emulator, which serves HTTP; with its port."""
    variables = {"HOST": "127.0.0.1", "PORT": "0", "EMULATOR": "/nonexistent", **(env or {})}
    with serving([DEPLOY / "entrypoint.sh", *arguments], "Uvicorn running on", variables, cwd) as served_:
        yield served_


def test_a_service() -> None:
    """It is healthy once it serves, answers a request with the function's answer, and ends after SIGTERM."""
    with served("hello.py") as (child, port):
        assert ask(port, "GET", "/health")[0] == 200
        assert ask(port, "POST", "/", EVENT) == (200, b"Hello, World!\n")
        child.signal(signal.SIGTERM)
        # uvicorn raises the signal again when it has shut down, as is the custom.
        assert child.wait() in {0, -signal.SIGTERM}
        assert "Application shutdown complete" in child.log


def test_a_task_folder_with_names_of_ours(tmp_path: Path) -> None:
    """The server finds our packages, and the function its own ones of the same names."""
    write(
        tmp_path,
        {
            "runtime.py": "word = 'own'\n",
            "dispatch.py": "",
            "app.py": "import runtime\ndef handler(event, headers):\n    return runtime.word\n",
        },
    )
    for folder in (tmp_path, tmp_path.parent):
        with served("app.handler", env={"LAMBDA_TASK_ROOT": str(tmp_path)}, cwd=folder) as (_, port):
            assert ask(port, "POST", "/", b"{}") == (200, b"own")


def test_requests_under_way_finish(tmp_path: Path) -> None:
    """After SIGTERM the server accepts no connections, but answers the request that it has."""
    write(tmp_path, {"app.py": WAITING})
    os.mkfifo(tmp_path / "pipe")
    with (
        served("app.handler", env={"HANDLER_CONVENTION": "json"}, cwd=tmp_path) as (child, port),
        ThreadPoolExecutor() as threads,
    ):
        asked = threads.submit(ask, port, "POST", "/", b"{}")
        child.wait_log("handling")
        child.signal(signal.SIGTERM)
        child.wait_log("Shutting down")
        with pytest.raises(ConnectionError):
            ask(port, "GET", "/health")
        (tmp_path / "pipe").write_text("late")
        assert asked.result() == (200, b'{"read":"late"}')
        assert child.wait() in {0, -signal.SIGTERM}


def test_a_function_that_hangs_is_left(tmp_path: Path) -> None:
    """A request that does not finish within the grace period is broken off, and the server ends all the same."""
    write(tmp_path, {"app.py": WAITING})
    os.mkfifo(tmp_path / "pipe")
    with served("app.handler", env={"GRACE": "1"}, cwd=tmp_path) as (child, port), ThreadPoolExecutor() as threads:
        asked = threads.submit(ask, port, "POST", "/", b"{}")
        child.wait_log("handling")
        child.signal(signal.SIGTERM)
        assert child.wait() in {0, -signal.SIGTERM}
        assert asked.result()[0] == 500
        assert "Application shutdown complete" in child.log


def test_options_of_the_server() -> None:
    """Whatever follows the handler is for uvicorn."""
    with served("hello.py", "--header", "X-Own: yes") as (_, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/health")
        assert connection.getresponse().headers["x-own"] == "yes"
        connection.close()


def test_lambda_web_functions() -> None:
    """On Lambda, it serves at the address that Lambda sets, even if there is a Runtime API."""
    with reserved_port() as port:
        env = {"AWS_LAMBDA_HTTP_ENDPOINT": f"127.0.0.1:{port}", "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}
        with served("invoice.total", env={**env, "HANDLER_CONVENTION": "json"}) as (child, found):
            assert found == port
            assert ask(port, "POST", "/any/path", LINES) == (200, b'{"total":0.30}')
            child.signal(signal.SIGTERM)
            assert child.wait() in {0, -signal.SIGTERM}


def test_sagemaker() -> None:
    """SageMaker starts the image with `serve`, asks /ping, and posts to /invocations."""
    env = {"HANDLER": "invoice.total", "HANDLER_CONVENTION": "json"}
    with served("serve", env=env) as (_, port):
        assert ask(port, "GET", "/ping")[0] == 200
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        assert ask(port, "POST", "/invocations", LINES, headers) == (200, b'{"total":0.30}')


def test_agentcore(tmp_path: Path) -> None:
    """AgentCore asks /ping for a state, and posts to /invocations, of any function and of an agent of its SDK."""
    with served("invoice.total", env={"HANDLER_CONVENTION": "json"}) as (_, port):
        status, health = ask(port, "GET", "/ping")
        assert (status, json.loads(health)["status"]) == (200, "Healthy")
        assert ask(port, "POST", "/invocations", LINES) == (200, b'{"total":0.30}')
    pytest.importorskip("bedrock_agentcore")
    write(tmp_path, {"agent.py": AGENT})
    with served("agent.app", env={"HANDLER_CONVENTION": "agentcore"}, cwd=tmp_path) as (_, port):
        status, health = ask(port, "GET", "/ping")
        assert (status, json.loads(health)["status"]) == (200, "Healthy")
        headers = {"Content-Type": "application/json"}
        status, body = ask(port, "POST", "/invocations", b'{"prompt": "hi"}', headers)
        assert (status, json.loads(body)) == (200, {"said": "hi"})
        assert ask(port, "GET", "/other")[0] == 404


def test_what_cannot_be_loaded() -> None:
    """A handler that is not there ends the server with a status and the reason, so that the engine tries another copy."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    child = Child(
        [str(DEPLOY / "entrypoint.sh"), "missing.handler"], {"PATH": path, "PORT": "0", "EMULATOR": ""}, FUNCTIONS
    )
    try:
        assert child.wait() == 3
        assert "missing" in child.log
        assert "Runtime.ImportModuleError" in child.log
    finally:
        child.kill()
