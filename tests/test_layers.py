"""A cold start imports what it needs, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import httptools
import pytest

from dispatch.discovery import BUILT_IN, OF_ANY

#: What no run needs that handles a plain function: see CONTRACT, budgets.
HEAVY = {"requests", "click", "rich", "starlette", "uvicorn", "h11", "pluggy", "importlib.metadata", "asyncio",
         "simplejson", "json", "logging", "inspect", "dataclasses", "traceback", "subprocess", "threading", "typing",
         "re", "decimal", "httptools"}  # fmt: skip

#: What asyncio imports.
ASYNC = {"asyncio", "inspect", "logging", "subprocess", "threading", "traceback", "typing", "re"}

NEIGHBOURS = ("alibaba", "scaleway", "tencent", "yandex")

#: What a convention may need of it. The packages of the platforms need some of it for themselves.
OF_A_CONVENTION = {
    "standard": set(),
    "script": set(),
    "json": set(),
    "lambda": set(),
    "stream": {"threading"},
    "process": set(),
    "coprocess": set(),
    "shell": set(),
    "asgi": ASYNC,
    "wsgi": set(),
    "cloudevent": {"typing", "re", "json"},
    "records": set(),
    "functions-framework": ASYNC - {"asyncio"} | {"click", "dataclasses", "importlib.metadata", "json", "decimal"},
    "knative": ASYNC,
    "azure": ASYNC | {"dataclasses", "json"},
    "openfaas": set(),
    "openwhisk": set(),
    "digitalocean": set(),
    "nuclio": ASYNC - {"asyncio"} | {"json"},
    "fn": ASYNC | {"json", "httptools"},
    "agentcore": ASYNC,
    "vercel": {"threading", "re"},
    **{name: set() for name in NEIGHBOURS},
}

#: The conventions that are built on others.
BUILT_ON = {
    "cloudevent": "json",
    "records": "json",
    "shell": "process",
    "functions-framework": "wsgi",
    "knative": "asgi cloudevent json",
    "azure": "json records",
    "openfaas": "wsgi",
    "agentcore": "asgi",
    **dict.fromkeys(NEIGHBOURS, "json"),
    "scaleway": "json wsgi",
}

#: The packages without which a function is not loaded.
NEEDED = {
    "cloudevent": "cloudevents",
    "functions-framework": "functions_framework",
    "nuclio": "nuclio_sdk",
    "fn": "fdk",
    "azure": "azure.functions",
}

#: A function for each convention, in `app.py` and `app.sh`.
HANDLERS = {
    "script": "app.py",
    "process": "cat app.py",
    "coprocess": "cat",
    "knative": "web.handle",
    "agentcore": "app.agent",
    "azure": "function_app.app",
    "vercel": "pages.handler",
}

#: The runtime, which prints at its end what it has imported, whatever the convention runs.
RUNTIME = """
import atexit, sys
atexit.register(lambda: print("AT THE END", *sys.modules))
from runtime.__main__ import leave, main
leave(main(sys.argv))
"""


def skip_without(package: str) -> None:
    """Skip the test if the package is not installed; it is not imported here, because fdk would set a loop policy."""
    try:
        found = find_spec(package)
    except ModuleNotFoundError:  # not even the package that it is in
        found = None
    if found is None:
        pytest.skip(f"{package} is not installed")


@pytest.mark.parametrize("convention", sorted(OF_A_CONVENTION))
def test_cold_start_imports(convention: str, tmp_path: Path) -> None:
    """When the function is loaded and the first poll fails, nothing was imported that the convention does not need."""
    if convention in NEEDED:
        skip_without(NEEDED[convention])
    line = _started(_written(tmp_path), HANDLERS.get(convention, "app.main"), convention)
    assert OF_A_CONVENTION[convention] == OF_A_CONVENTION[convention] | (set(line.split()) & HEAVY)


@pytest.mark.parametrize(
    "parameters", ["event: dict, headers", "event: 'Nowhere', headers: 'Headers'", "event: list[dict]"]
)
def test_annotations_import_nothing(parameters: str, tmp_path: Path) -> None:
    """An annotation that asks for no conversion costs no import."""
    (tmp_path / "app.py").write_text(
        f"import atexit, sys\ndef main({parameters}, *args): pass\natexit.register(lambda: print('AT THE END', *sys.modules))\n"
    )
    line = _started(tmp_path, "app.main", "json")
    assert OF_A_CONVENTION["json"] == OF_A_CONVENTION["json"] | (set(line.split()) & {*HEAVY, "pydantic"})


@pytest.mark.skipif(not hasattr(httptools, "HTTPProtocol"), reason="this httptools does not import typing")
def test_user_code_gets_the_real_typing(tmp_path: Path) -> None:
    """What stands in for typing while httptools is imported is gone before anybody else imports either."""
    (tmp_path / "app.py").write_text(
        "import atexit, httptools, typing\n"
        "def main(*args): pass\n"
        "atexit.register(lambda: print('AT THE END', typing.Protocol, typing.Optional[int], httptools.HTTPProtocol.on_body))\n"
    )
    assert "<class 'typing.Protocol'> typing.Optional[int] <function HTTPProtocol.on_body" in _started(
        tmp_path, "app.main"
    )


@pytest.mark.parametrize("convention", sorted(OF_A_CONVENTION))
def test_cold_start_beside_a_plugin(convention: str, tmp_path: Path) -> None:
    """A plugin that is asked for brings no other built-in convention than the one that is."""
    if convention == "azure":
        skip_without(NEEDED[convention])  # without an app, it does not import what serves one
    (tmp_path / "own.py").write_text("def dispatch_startup(function): pass\n")
    line = _started(_written(tmp_path), HANDLERS.get(convention, "app.main"), convention, HANDLER_PLUGINS="own")
    modules = set(BUILT_IN.values()) - {"conventions.standard"}
    expected = {BUILT_IN[name] for name in (convention, *BUILT_ON.get(convention, "").split())} & modules
    assert expected == modules & set(line.split())


def test_auto_beside_a_plugin(tmp_path: Path) -> None:
    """Only what `auto` may choose is imported before user code, so that ports cost nothing."""
    (tmp_path / "own.py").write_text("def dispatch_startup(function): pass\n")
    line = _started(_written(tmp_path), "app.main", "auto", HANDLER_PLUGINS="own")
    assert {BUILT_IN[name] for name in OF_ANY} == set(BUILT_IN.values()) & set(line.split())


def _written(root: Path) -> Path:
    (root / "app.py").write_text(
        "def main(*args): pass\nclass agent:\n    def __call__(self): pass\n    entrypoint = main\nagent = agent()\n"
    )
    (root / "web.py").write_text("async def handle(*args): pass\n")
    (root / "pages.py").write_text("from http.server import BaseHTTPRequestHandler as B\nclass handler(B): pass\n")
    (root / "function_app.py").write_text(
        "import azure.functions as func\napp = func.FunctionApp()\n@app.route()\ndef f(req): return ''\n"
    )
    (root / "app.sh").write_text("main() { :; }\n")
    return root


def _started(root: Path, handler: str, convention: str = "standard", **settings: str) -> str:
    """What a runtime that loads this and cannot poll prints at its end."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))},
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1",
        "HANDLER_CONVENTION": convention,
        "LAMBDA_TASK_ROOT": str(root),
        **settings,
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", RUNTIME, handler],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return next(line for line in done.stdout.splitlines() if line.startswith("AT THE END"))
