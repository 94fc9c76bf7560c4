"""docs/coming-from/aws.md: one function on AWS's runtime client and on this runtime, with the page's files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.coming import blocks, claim, write_page
from support.differential import LAMBDA, MANAGED
from support.local import ServerProcess, client, write_program
from support.runtime import AWS_COMMAND, BOTH, Runtime, start

from runtime.local.environments.variables import LAYER_WRAPPER
from runtime.package.publish import WRAPPER, WRAPPER_VARIABLE
from runtime.package.start_scripts import wrapper_script
from runtime.package.target import BuildTarget

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
ORDER = b'{"id": 7, "items": [{"price": 3, "count": 2}]}'
ENV = {**LAMBDA, **MANAGED}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The page's files."""
    return write_page("aws", tmp_path / "task")


def loaded(text: str) -> dict[str, Any]:
    """A template's resources, with what intrinsic functions name."""
    yaml.SafeLoader.add_constructor("!Ref", lambda loader, node: loader.construct_scalar(node))  # type: ignore[arg-type]
    resources: dict[str, Any] = yaml.safe_load(text)["Resources"]
    return resources


@claim("aws", "The code")
def test_the_same_files(root: Path) -> None:
    """The page's function answers both runtimes alike, there and back, and its file is not changed."""
    before = (root / "app.py").read_bytes()
    answers = []
    for which in (*BOTH, *BOTH):
        with start(which, "app.handler", root, ENV) as runtime:
            answers.append(runtime.invoke(ORDER).body)
    assert [b'{"id": 7, "total": 6, "function": "sample"}'] * 4 == answers
    assert before == (root / "app.py").read_bytes()


@claim("aws", "The context object")
def test_the_context(tmp_path: Path) -> None:
    """It has the same attributes and methods, with the same values."""
    (tmp_path / "app.py").write_text(
        "def handler(event, context):\n"
        "    names = [name for name in dir(context) if not name.startswith('_')]\n"
        "    return {name: repr(getattr(context, name)) for name in names if not callable(getattr(context, name))}, names\n"
    )
    seen = []
    for which in BOTH:
        with start(which, "app.handler", tmp_path, ENV) as runtime:
            values, names = json.loads(runtime.invoke(b"{}", {"Lambda-Runtime-Aws-Request-Id": "1"}).body)
            seen.append((values, names))
    assert seen[0] == seen[1]
    assert "get_remaining_time_in_millis" in seen[0][1]


@claim("aws", "The wrapper")
def test_the_wrapper_of_another_tool(root: Path, tmp_path: Path) -> None:
    """A script that ends as the page says starts both, the tool first."""
    ours = write_program(tmp_path / "dispatch", wrapper_script(BuildTarget(PYTHON, "x86_64")))
    tool = write_program(tmp_path / "other-tool", '#!/bin/sh\nexport AWS_LAMBDA_FUNCTION_NAME=tool\nexec "$@"\n')
    both = write_program(tmp_path / "both", f'#!/bin/sh\nexec {tool} {ours} "$@"\n')
    env = {**ENV, "_HANDLER": "app.handler", "HANDLER_CONVENTION": "lambda"}
    for wrapper, name in ((ours, "sample"), (both, "tool")):
        with Runtime((str(wrapper), *AWS_COMMAND, "app.handler"), root, env) as runtime:
            assert name == json.loads(runtime.invoke(ORDER).body)["function"]
            assert "dispatch/" in str(runtime.api.finished("GET", "invocation/next")[0].header("User-Agent"))


@claim("aws", "The runtime's updates")
def test_the_template(root: Path) -> None:
    """Without the lines that are new, it is a template of AWS's runtime; with them the runtime is the layer's."""
    (text,) = blocks("aws", "yaml")
    new, old = loaded(text), loaded("".join(line for line in text.splitlines(True) if not line.endswith("# new\n")))
    assert ["Orders"] == list(old)
    added = new["Orders"]["Properties"]
    assert ["Runtime"] == added.pop("Layers")
    variables = added["Environment"]["Variables"]
    assert ("/opt/dispatch", "lambda") == (
        variables.pop("AWS_LAMBDA_EXEC_WRAPPER"),
        variables.pop("HANDLER_CONVENTION"),
    )
    assert old["Orders"] == new["Orders"]
    # The platform starts the runtime itself, so the wrapper of the layer is not looked for.
    with ServerProcess(root, "--config", "template.yaml", "--no-reload") as server, client(server.host) as web:
        answer = web.call("POST", "/2015-03-31/functions/Orders/invocations", ORDER).json
    assert {"id": 7, "total": 6, "function": "Orders"} == answer


def test_the_wrapper_is_that_of_the_layer() -> None:
    """The local platform leaves out exactly the wrapper that `dispatch publish` sets."""
    assert {WRAPPER_VARIABLE: WRAPPER} == LAYER_WRAPPER
