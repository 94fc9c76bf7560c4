"""Functions for other platforms, recognised from their source: what `explain`, `run`, `build` and `publish` say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.files import Files, write

from runtime.package import recognition
from runtime.package.start_scripts import INTERPRETER, bootstrap_script
from runtime.package.target import BuildTarget

AZURE = """
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
@app.route(route="hello")
def hello(req): ...
"""
FILES = {
    "function_app.py": AZURE,
    "wrapped.py": "from azure.functions import AsgiFunctionApp\nfrom web import api\napp = AsgiFunctionApp(app=api)\n",
    "main.py": "import functions_framework as ff\n@ff.http\ndef hello(request): ...\n@ff.typed(Own)\ndef typed(x): ...\n",
    "aio.py": "from functions_framework.aio import cloud_event\n@cloud_event\nasync def hello(event): ...\n",
    "func.py": "def new(): ...\nasync def handle(scope, receive, send): ...\n",
    "api/index.py": "from http.server import BaseHTTPRequestHandler as Base\nclass handler(Base): ...\n",
    "api/dotted.py": "import http.server\nclass handler(http.server.BaseHTTPRequestHandler): ...\n",
    "nuc.py": "def init_context(context): ...\ndef go(ctx, evt): ...\n",
    "nuc2.py": "def handler(context, event):\n    return context.Response(event)\n",
    "fn.py": "import io\ndef handler(ctx, data: io.BytesIO = None): ...\n",
    "fn2.py": "from fdk import response\nasync def handler(context, body=None): ...\ndef put(a, b): ...\n",
    "handler.py": "def handle(event, context):\n    return event.query.get('a')\n",
    "aws/handler.py": "def handle(event, context):\n    return {'body': event['body'] + event.get('x')}\n",
    "tool/__main__.py": "import sys\ndef main(argv=None): ...\nif __name__ == '__main__':\n    sys.exit(main())\n",
    "script/__main__.py": "def main(): ...\nmain()\n",
    "old/handler.py": "def handle(req): ...\n",
    "__main__.py": "def main(args): ...\n",
    "packages/sample/hello/__main__.py": "def main(event, context): ...\n",
    "agent.py": "from bedrock_agentcore.runtime import BedrockAgentCoreApp\napp: object = BedrockAgentCoreApp()\n"
    "@app.entrypoint\ndef invoke(payload): ...\n",
    "web/__init__.py": "from fastapi import FastAPI\napi = FastAPI()\n@api.get('/')\ndef root(): ...\n",
    "flasky.py": "import flask\napp = flask.Flask(__name__)\n",
    "raw.py": "async def app(scope, receive, send): ...\n",
    "app.py": "import json\nfrom io import BytesIO\nbuffer = BytesIO()\ndef handler(event, context): ...\n"
    "def other(event, headers): ...\nclass Own(dict): ...\nnothing = 1\n",
    "broken.py": "def (",
}  # fmt: skip

#: The handler strings that are recognised: the convention, and the handler string to use with it where it differs.
EXPECTED = {
    "function_app.app": ("azure", ""),
    "function_app.hello": ("azure", "function_app.app"),
    "wrapped.app": ("azure", ""),
    "main.hello": ("functions-framework", ""),
    "main.typed": ("functions-framework", ""),
    "aio.hello": ("functions-framework", ""),
    "func.new": ("knative", ""),
    "func.handle": ("knative", ""),
    "api/index.handler": ("vercel", ""),
    "api.index.handler": ("vercel", ""),
    "api/dotted.handler": ("vercel", ""),
    "nuc.go": ("nuclio", ""),
    "nuc2:handler": ("nuclio", ""),
    "fn.handler": ("fn", ""),
    "fn2.handler": ("fn", ""),
    "handler.handle": ("openfaas", ""),
    "old/handler.handle": ("openfaas", ""),
    "__main__.main": ("openwhisk", ""),
    "packages/sample/hello/__main__.main": ("digitalocean", ""),
    "agent.app": ("agentcore", ""),
    "agent.invoke": ("agentcore", "agent.app"),
    "web.api": ("asgi", ""),
    "web.root": ("asgi", "web.api"),
    "flasky.app": ("wsgi", ""),
    "raw.app": ("asgi", ""),
}
#: Those for which there is no sign.
UNKNOWN = (
    "app.handler",
    "app.other",
    "app.Own",
    "app.nothing",
    "app.buffer",
    "app.missing",
    "aws/handler.handle",
    "tool/__main__.main",
    "script.__main__.main",
    "fn2.put",
    "broken.handler",
    "none.x",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a function for each platform."""
    return write(tmp_path_factory.mktemp("functions"), FILES)


@pytest.mark.parametrize("handler", EXPECTED)
def test_recognised(root: Path, handler: str) -> None:
    """Decorators, classes, constructors, names and parameters tell the platform; nothing is imported."""
    found = recognition.recognised(handler, str(root))
    assert found is not None
    convention, other = EXPECTED[handler]
    assert (convention, other or handler) == (found.convention, found.handler)
    assert found.advice(handler).endswith(f"CONVENTION={convention} and the handler {other}" if other else convention)


@pytest.mark.parametrize("handler", [*UNKNOWN, "event.upper()", "../nuc2.handler", "/etc.x", "", ".", "a:b:c", "\0.x"])
def test_nothing_to_recognise(root: Path, handler: str) -> None:
    """Other functions, and strings that name no function, are nothing that it knows."""
    assert None is recognition.recognised(handler, str(root / "api" if handler.startswith("..") else root))


def test_all_of_a_folder(root: Path) -> None:
    """Each is listed under the handler string to use; what cannot be compiled is left out."""
    offered = recognition.offered(root)
    expected = {other or handler: convention for handler, (convention, other) in EXPECTED.items()}
    expected["nuc2.handler"] = expected.pop("nuc2:handler")
    del expected["api.index.handler"]
    assert expected == {handler.replace("web/", "web."): name for handler, name in offered.items()}


def dispatch(*arguments: str, root: Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [sys.executable, "-m", "runtime.cli", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=50, check=False)


def test_explain(root: Path) -> None:
    """The convention to set is named, in words and as JSON, unless one was asked for."""
    words = dispatch("explain", "api/index.handler", root=root).stdout
    said = "handler is a subclass of http.server.BaseHTTPRequestHandler; set HANDLER_CONVENTION=vercel"
    assert f"  looks like  vercel: {said}\n" in words
    facts = json.loads(dispatch("explain", "api/index.handler", "--json", root=root).stdout)
    assert ("vercel", said) == (facts["looksLike"]["convention"], facts["advice"])
    assert "looks like" not in dispatch("explain", "api/index.handler", "--convention", "json", root=root).stdout


def test_run(root: Path) -> None:
    """A function that fails without its convention is followed by what to set."""
    done = dispatch("run", "nuc2.handler", "-e", "{}", root=root)
    assert 1 == done.returncode
    assert "dispatch: it is handler(context, event); set HANDLER_CONVENTION=nuclio\n" in done.stderr


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"_HANDLER": "function_app.app"}, "azure"),
        ({"_HANDLER": "x", "HANDLER": "function_app.app"}, "azure"),
        ({"_HANDLER": "function_app.app", "HANDLER_CONVENTION": "json"}, "json"),
        ({"_HANDLER": "with 'blank.x"}, "fn"),
        ({"_HANDLER": "app.handler"}, ""),
        ({}, ""),
    ],
)
def test_standalone_bootstrap(tmp_path: Path, settings: dict[str, str], expected: str) -> None:
    """The bootstrap of a function that was recognised sets its convention, unless a variable does."""
    conventions = {"function_app.app": "azure", "with 'blank.x": "fn"}
    files: Files = {
        "bootstrap": bootstrap_script(BuildTarget.here(), "site", conventions),
        INTERPRETER: '#!/bin/sh\nprintf %s "$HANDLER_CONVENTION"\n',
    }
    command = ["sh", str(write(tmp_path, files) / "bootstrap")]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=20, check=False)
    assert (expected, "") == (done.stdout, done.stderr)
