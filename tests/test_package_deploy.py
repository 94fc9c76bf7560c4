"""The files for deploying: the template, the entry point of the images, the manifests."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.api import FakeRuntimeApi, event
from support.process import Child

from runtime.cli.serve import command as serve

DEPLOY = Path(__file__).parents[1] / "examples" / "deploy"
MANIFESTS = ("kubernetes.yaml", "knative.yaml")
EVENT = b'{"name": "World"}'
SCRIPTS = Path(sys.executable).parent


def lint(template: Path) -> subprocess.CompletedProcess[str]:
    """What cfn-lint says of a template."""
    command: list[str | Path] = [SCRIPTS / "cfn-lint", "--format", "parseable", template]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_template_is_valid() -> None:
    """cfn-lint has nothing to say, SAM's own resources included."""
    done = lint(DEPLOY / "template.yaml")
    assert (done.stdout, done.returncode) == ("", 0)


def test_the_lint_sees_the_functions(tmp_path: Path) -> None:
    """It would say something: a property that SAM's functions have not is found."""
    text = (DEPLOY / "template.yaml").read_text().replace("Handler: hello.py", "Handlr: hello.py")
    (tmp_path / "template.yaml").write_text(text)
    assert "'Handlr' was unexpected" in lint(tmp_path / "template.yaml").stdout


@contextmanager
def started(
    *command: str | Path, env: Mapping[str, str] | None = None, cwd: Path = DEPLOY
) -> Iterator[tuple[Child, int]]:
    """A server that says on which port it serves."""
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    child = Child([str(word) for word in command], {"PATH": path, **(env or {})}, cwd)
    try:
        child.wait_log("Serving on")
        found = re.search(r"Serving on http://[^ ]*:(\d+)", child.log)
        assert found
        yield child, int(found.group(1))
    finally:
        child.kill()


def ask(
    port: int, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """One request to the server; its status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("Hello", EVENT, b"Hello, World!\n"),
        ("Invoice", b'{"lines": [{"price": "0.10", "count": 3}]}', b'{"total":0.30}'),
        ("Reverse", b'"stressed"', b'"desserts"\n'),
    ],
)
def test_dispatch_serve_reads_the_template(tmp_path: Path, name: str, body: bytes, expected: bytes) -> None:
    """The functions of the template answer here as they will on Lambda."""
    command = [sys.executable, "-m", "runtime.cli", "serve", "--config", "template.yaml", "--port", "0", "--no-reload"]
    with started(*command, env={"XDG_STATE_HOME": str(tmp_path)}) as (_, port):
        assert ask(port, "POST", f"/2015-03-31/functions/{name}/invocations", body) == (200, expected)


def test_the_entry_point_in_lambda() -> None:
    """Where a Runtime API is named, the runtime itself starts, with the image's command as the handler."""
    with FakeRuntimeApi() as api:
        env = {"AWS_LAMBDA_RUNTIME_API": api.address, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}
        child = Child([str(DEPLOY / "entrypoint.sh"), "hello.py"], env, DEPLOY / "functions")
        try:
            api.hand_out(event(EVENT, "1"))
            (answer,) = api.wait_for("POST", "invocation/1/response")
            assert answer.body == b"Hello, World!\n"
        finally:
            child.kill()


def test_the_entry_point_under_an_emulator(tmp_path: Path) -> None:
    """Where AWS's emulator lies in the image, it starts, and is told to start the runtime."""
    emulator = tmp_path / "emulator"
    emulator.write_text('#!/bin/sh\necho "$@"\n')
    emulator.chmod(0o755)
    env = {"PATH": os.environ["PATH"], "EMULATOR": str(emulator)}
    done = subprocess.run([DEPLOY / "entrypoint.sh", "hello.py"], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "python -P -m runtime hello.py\n"


def test_the_entry_point_as_a_service(tmp_path: Path) -> None:
    """Anywhere else it is an HTTP service, healthy once it serves, that ends by SIGTERM with status 0."""
    env = {"HOST": "127.0.0.1", "PORT": "0", "EMULATOR": "/nonexistent", "XDG_STATE_HOME": str(tmp_path)}
    command = DEPLOY / "entrypoint.sh", "hello.py"
    with started(*command, env=env, cwd=DEPLOY / "functions") as (child, port):
        assert ask(port, "GET", "/health")[0] == 200
        path = "/2015-03-31/functions/function/invocations"
        assert ask(port, "POST", path, EVENT) == (200, b"Hello, World!\n")
        child.signal(signal.SIGTERM)
        assert child.wait() == 0


def containers(manifest: str) -> list[dict[str, Any]]:
    """The containers of a manifest."""
    documents = list(yaml.safe_load_all((DEPLOY / manifest).read_text()))
    return [container for each in documents for container in _pod(each).get("containers", [])]


def _pod(document: dict[str, Any]) -> dict[str, Any]:
    template: dict[str, Any] = document["spec"].get("template", {})
    return dict(template.get("spec", {}))


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_the_options_in_the_manifests_exist(manifest: str) -> None:
    """What the containers give to `dispatch serve` is what it takes, by option and by variable."""
    (container,) = containers(manifest)
    with serve.make_context(
        "serve", [*container["args"], "--root", str(DEPLOY / "functions")], resilient_parsing=False
    ) as ctx:
        assert ctx.params["handler"] == "hello.py"
    names = {variable["name"].removeprefix("DISPATCH_SERVE_").lower() for variable in container["env"]}
    assert set() == names - {parameter.name for parameter in serve.params}


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_the_probes_ask_what_there_is(manifest: str) -> None:
    """Readiness and liveness are asked of the endpoint that the server has."""
    (container,) = containers(manifest)
    probes = [value for name, value in container.items() if name.endswith("Probe")]
    assert {probe["httpGet"]["path"] for probe in probes} == {"/health"}


def test_memory_covers_the_environments() -> None:
    """Every environment may use its --memory; the container's limit holds them all."""
    (container,) = containers("kubernetes.yaml")
    given = dict(zip(container["args"][1::2], container["args"][2::2], strict=True))
    assert container["resources"]["limits"]["memory"] == "1Gi"
    assert int(given["--concurrency"]) * int(given["--memory"]) < 1024


def test_the_kubernetes_manifest_is_valid() -> None:
    """Its documents fit Kubernetes' own schemas, where kubernetes-validate is installed to hold them against."""
    program = shutil.which("kubernetes-validate", path=f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip("kubernetes-validate is not installed")
    command: list[str | Path] = [program, "--strict", DEPLOY / "kubernetes.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["Dockerfile.slim", "Dockerfile.al2023"])
def test_what_the_images_copy_is_there(name: str) -> None:
    """Every file that a Dockerfile copies out of the checkout exists; the last stage has a command in exec form."""
    lines = (DEPLOY / name).read_text().splitlines()
    root = DEPLOY.parents[1]
    copied = [line.split() for line in lines if line.startswith("COPY") and "--from" not in line]
    sources = [word for words in copied for word in words[1:-1] if not word.startswith("--")]
    assert sources
    assert [] == [source for source in sources if not (root / source).exists()]
    assert json.loads(lines[-1].removeprefix("CMD ")) == ["hello.py"]
