"""`AWS_LAMBDA_EXEC_WRAPPER`: a program that starts the runtime, once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.files import write
from support.local import write_program
from support.runtime import COMMAND, Serve

from runtime.settings import WRAPPED, wrapped
from runtime.testing import Function, serving

SOURCE = """
    import os, sys
    def handler(event, headers):
        return " ".join([str(os.environ.get("OWN")), str("DISPATCH_WRAPPED" in os.environ), *sys.orig_argv[1:]])
"""


def wrapper(folder: Path, script: str) -> dict[str, str]:
    """The setting that names a shell script with these lines."""
    return {"AWS_LAMBDA_EXEC_WRAPPER": str(write_program(folder / "wrapper", f"#!/bin/sh\n{script}\n"))}


def test_variable_of_a_wrapper(serve: Serve, tmp_path: Path) -> None:
    """A wrapper that sets a variable and goes on is honoured once; the function sees nothing of how."""
    env = wrapper(tmp_path, 'echo WRAPPED\nexport OWN=set\nexec "$@"')
    runtime = serve(SOURCE, env=env)
    assert b"set False -P -m runtime" == runtime.invoke().body
    runtime.child.wait_log("WRAPPED\n")
    assert 1 == runtime.child.log.count("WRAPPED")


def test_arguments(serve: Serve, tmp_path: Path) -> None:
    """The wrapper gets the interpreter with all of its arguments, and the handler."""
    env = wrapper(
        tmp_path, 'echo "$0" "$@"\nexec "$1" -X utf8 "${@:2}"'.replace('"${@:2}"', "-P -m runtime app.handler")
    )
    runtime = serve(SOURCE, "", env=env, arguments=["app.handler"])
    assert b"None False -X utf8 -P -m runtime app.handler" == runtime.invoke().body
    assert f"{tmp_path / 'wrapper'} {' '.join(COMMAND)} app.handler\n" == runtime.child.log


def test_variables_of_the_runtimes_own(serve: Serve, tmp_path: Path) -> None:
    """What a wrapper sets for the runtime itself counts."""
    env = wrapper(tmp_path, 'export HANDLER=app.other HANDLER_CONVENTION=json\nexec "$@"')
    assert b'["json"]' == serve("def other(event, headers):\n    return event\n", "", env=env).invoke(b'["json"]').body


def test_wrapper_with_workers(serve: Serve, tmp_path: Path) -> None:
    """A wrapper is honoured once, however many workers there are."""
    env = wrapper(tmp_path, 'echo WRAPPED\nexec "$@"')
    runtime = serve("def handler(event, headers):\n    return event\n", env={**env, "HANDLER_WORKERS": "2"})
    assert b"one" == runtime.invoke(b"one").body
    runtime.child.wait_log("WRAPPED\n")
    assert 1 == runtime.child.log.count("WRAPPED")


@pytest.mark.parametrize("kind", ["missing", "no program", "folder", "without an interpreter"])
def test_wrapper_that_cannot_be_started(serve: Serve, tmp_path: Path, kind: str) -> None:
    """A wrapper that cannot be started is an init error that names it."""
    path = tmp_path / "wrapper"
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_text('exec "$@"\n')
        path.chmod(0o755 if kind == "without an interpreter" else 0o644)
    failed = serve(SOURCE, env={"AWS_LAMBDA_EXEC_WRAPPER": str(path)}).failed()
    assert 1 == failed.status
    assert f"AWS_LAMBDA_EXEC_WRAPPER is '{path}', which cannot be started: " in failed.report["errorMessage"]


def test_wrapper_as_opentelemetry_has_it(tmp_path: Path) -> None:
    """A wrapper may put its own handler and `LAMBDA_RUNTIME_DIR` first; that folder hides nothing of Python's library."""
    layer = {
        "own_handler.py": """
            import os, sys
            from importlib import import_module
            from importlib.util import find_spec

            module, _, name = os.environ["ORIG_HANDLER"].rpartition(".")
            original = getattr(import_module(module), name)

            def handler(event, context):
                first = os.environ["LAMBDA_RUNTIME_DIR"]
                origins = {name: find_spec(name) for name in sys.stdlib_module_names}
                hidden = [name for name, spec in origins.items() if spec and (spec.origin or first).startswith(first)]
                return [sys.path.index(first) < sys.path.index(os.path.dirname(os.__file__)), hidden, original(event)]
        """
    }
    script = f"""export PYTHONPATH="$LAMBDA_RUNTIME_DIR:{write(tmp_path / "layer", layer)}:$PYTHONPATH"
export ORIG_HANDLER=$_HANDLER _HANDLER=own_handler.handler
exec "$@"
"""
    root = write(tmp_path / "task", {"app.py": "def handler(event):\n    return sum(event)\n"})
    function = Function(handler="app.handler", root=root, convention="lambda", environment=wrapper(tmp_path, script))
    with serving(function) as local:
        result = local.invoke("[1, 2, 3]")
    assert [True, [], 6] == result.json, result.log


def test_wrapper_that_ends(serve: Serve, tmp_path: Path) -> None:
    """A wrapper that does not go on ends the runtime with its own status."""
    runtime = serve(SOURCE, env=wrapper(tmp_path, "exit 7"))
    assert (7, []) == (runtime.child.wait(), runtime.api.requests)


def test_whose_turn_it_is() -> None:
    """The wrapper has its turn, then the runtime; a runtime that the function starts begins anew."""
    environ = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}
    command = [sys.executable, "-m", "runtime"]
    assert ["/opt/wrapper", *command] == wrapped(environ, command)
    assert WRAPPED in environ
    assert wrapped(environ, command) is None
    assert WRAPPED not in environ
    assert ["/opt/wrapper", *command] == wrapped(environ, command)
    assert wrapped({}, command) is None
