"""Starting: settings, the task root, and every way in which it can fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.files import write
from support.process import Child
from support.runtime import COMMAND, Ask, Fail, Runtime, Serve
from support.text import missing

FOLDER = "import os, sys\ndef handler(event, headers):\n    return f'{os.getcwd()}|{sys.path[0]}'\n"


@pytest.mark.parametrize("cwd", ["/", "."])
def test_changes_into_the_task_root(ask: Ask, tmp_path: Path, cwd: str) -> None:
    """The task root is the current folder and first on sys.path, wherever the runtime was started."""
    root = (tmp_path / "task").resolve()
    assert f"{root}|{root}" == ask(FOLDER, cwd=Path(cwd).resolve()).body.decode()


@pytest.mark.parametrize("setting", ["", "task", "./task"])
def test_relative_task_root(ask: Ask, tmp_path: Path, setting: str) -> None:
    """Without LAMBDA_TASK_ROOT the current folder is the root; a relative one is taken from it."""
    root = tmp_path.resolve() / "task"
    cwd = root if not setting else tmp_path
    root.mkdir()
    assert f"{root}|{root}" == ask(FOLDER, cwd=cwd, env={"LAMBDA_TASK_ROOT": setting}).body.decode()


@pytest.mark.parametrize(
    ("argument", "handler", "underscored"),
    [
        (["'argument'"], "'HANDLER'", "'_HANDLER'"),
        ([], "'HANDLER'", "'_HANDLER'"),
        ([], "", "'_HANDLER'"),
        (["'argument'"], "", ""),
    ],
)
def test_which_handler_string_wins(ask: Ask, argument: list[str], handler: str, underscored: str) -> None:
    """The argument wins over HANDLER, and HANDLER over _HANDLER."""
    expected = (argument or [handler or underscored])[0]
    source = f"lambda event, headers: {expected}"
    env = {"_HANDLER": underscored and f"lambda event, headers: {underscored}"}
    arguments = [f"lambda event, headers: {text}" for text in argument]
    answer = ask({}, handler=handler and f"lambda event, headers: {handler}", env=env, arguments=arguments)
    assert expected.strip("'") == answer.body.decode(), source


def test_long_handler_with_blanks(ask: Ask) -> None:
    """HANDLER takes what Lambda's own setting does not: blanks, lines, and more than 128 characters."""
    handler = (
        "import json\ndata = json.loads(event)\n" + "".join(f"x{n} = {n}\n" for n in range(40)) + "str(x39) + data"
    )
    assert b"39!" == ask({}, b'"!"', handler).body


INIT_ERRORS = {
    "convention": ({"HANDLER_CONVENTION": "jsn"}, "Runtime.UnknownConvention", ["jsn", "json", "standard", "script"]),
    "later convention": ({"HANDLER_CONVENTION": "nosuch"}, "Runtime.UnknownConvention", ["nosuch", "lambda", "stream"]),
    "encoding": ({"HANDLER_ENCODING": "utf-88"}, None, ["HANDLER_ENCODING", "utf-88", "utf-8,"]),
    "not a text encoding": ({"HANDLER_ENCODING": "base64"}, None, ["HANDLER_ENCODING", "base64"]),
    "transport": ({"HANDLER_TRANSPORT": "pigeon"}, None, ["HANDLER_TRANSPORT", "pigeon", "socket", "requests"]),
    "invoke mode": ({"HANDLER_INVOKE_MODE": "stream"}, None, ["HANDLER_INVOKE_MODE", "BUFFERED, RESPONSE_STREAM"]),
    "HTTP body": ({"HANDLER_HTTP_BODY": "yes"}, None, ["HANDLER_HTTP_BODY", "yes", "0, 1"]),
    "lazy": ({"HANDLER_LAZY": "some"}, None, ["HANDLER_LAZY", "some", "all"]),
    "trace": ({"HANDLER_TRACE_PLUGINS": "yes"}, None, ["HANDLER_TRACE_PLUGINS", "yes", "0, 1"]),
    "base path": ({"HANDLER_BASE_PATH": "prod"}, None, ["HANDLER_BASE_PATH", "prod", "/prod"]),
    "events path": ({"HANDLER_EVENTS_PATH": "events"}, None, ["HANDLER_EVENTS_PATH", "/events"]),
    "workers": ({"HANDLER_WORKERS": "many"}, None, ["HANDLER_WORKERS", "many"]),
    "a number that is none": ({"HANDLER_WORKERS": "²"}, None, ["HANDLER_WORKERS", "²"]),
    "a number that is too long": ({"HANDLER_WORKERS": "9" * 30}, None, ["HANDLER_WORKERS", "from 1 to 9999"]),
    "no workers": ({"HANDLER_WORKERS": "0"}, None, ["HANDLER_WORKERS", "0"]),
    "task root": ({"LAMBDA_TASK_ROOT": "/no/such/folder"}, None, ["LAMBDA_TASK_ROOT", "/no/such/folder", "task"]),
    "no handler": ({"HANDLER": "", "_HANDLER": ""}, None, ["_HANDLER", "HANDLER"]),
    "plugin": (
        {"HANDLER_PLUGINS": "no_such_plugin"},
        "Runtime.PluginError",
        ["no_such_plugin", "HANDLER_PLUGINS", "Python's path", "app.py"],
    ),
    "no module": ({"HANDLER": "ap.handler"}, "Runtime.ImportModuleError", ["ap", "app"]),
    "no function": ({"HANDLER": "app.handlr"}, "Runtime.HandlerNotFound", ["handlr", "app.py", "handler", "helper"]),
    "not callable": ({"HANDLER": "app.number"}, "Runtime.HandlerNotFound", ["number", "int"]),
    "no script": ({"HANDLER": "tol.py"}, None, ["tol.py", "tool.py"]),
    "no script in a package": ({"HANDLER": "pkg/tool.py"}, None, ["no file pkg/tool.py", "pkg/ has: part.py"]),
    "no script, but a package": ({"HANDLER": "pkg.py"}, None, ["no file pkg.py", "pkg/", "'py'", "pkg/__init__.py"]),
    "no archive": ({"HANDLER": "tool.pyz"}, None, ["no file tool.pyz", "tool.py"]),
    "no function in a package": (
        {"HANDLER": "pkg.nope"},
        "Runtime.HandlerNotFound",
        ["nope", "pkg/__init__.py", "yes"],
    ),
    "no module in a package": (
        {"HANDLER": "pkg.nope.f"},
        "Runtime.ImportModuleError",
        ["no module pkg.nope", "pkg/ has: part.py"],
    ),
    "no module in a folder": ({"HANDLER": "data/nope.f"}, None, ["no module data", "data/ has: numbers.csv"]),
    "up and down": ({"HANDLER": "pkg/../app.handler"}, None, ["pkg/../app.handler", "app.py"]),
    "a name": ({"HANDLER": "my-handler"}, "Runtime.MalformedHandlerName", ["my-handler", "app.py"]),
    "neither Python nor executable": ({"HANDLER": "program"}, None, ["the file program", "chmod +x"]),
    "neither, in a folder": ({"HANDLER": "data/program"}, None, ["the file data/program", "chmod +x"]),
    "neither, with blanks": ({"HANDLER": "run me.sh"}, None, ["the file run me.sh", "chmod +x"]),
    "neither, nor a module": ({"HANDLER": "run.sh"}, None, ["the file run.sh", "chmod +x", "no module run"]),
    "neither, nor a function": (
        {"HANDLER": "app.sh"},
        None,
        ["the file app.sh", "chmod +x", "'sh'", "app.py", "helper"],
    ),
    "bad expression": ({"HANDLER": "event +"}, "Runtime.UserCodeSyntaxError", ["event +"]),
    "bad syntax": ({"HANDLER": "broken.handler"}, "Runtime.UserCodeSyntaxError", ["broken.py", "line 2"]),
    "bad syntax in script": ({"HANDLER": "broken.py"}, "Runtime.UserCodeSyntaxError", ["broken.py"]),
    "import fails": ({"HANDLER": "needs.handler"}, "Runtime.ImportModuleError", ["no_such_library", "needs"]),
    "import raises": ({"HANDLER": "raises.handler"}, "ZeroDivisionError", ["division by zero"]),
    "import exits": ({"HANDLER": "leaves.handler"}, "Runtime.ExitError", []),
    "built-in module": ({"HANDLER": "sys.exit"}, "Runtime.BuiltInModuleConflict", ["sys"]),
}
FILES = {
    "app.py": "number = 3\ndef handler(event, headers):\n    return event\ndef helper(event, headers):\n    return event\n",
    "tool.py": "print()\n",
    "broken.py": "x = 1\ndef handler(:\n",
    "needs.py": "import no_such_library\ndef handler(event, headers):\n    return event\n",
    "raises.py": "1 / 0\n",
    "leaves.py": "import sys\nsys.exit(0)\n",
    "pkg/__init__.py": "def yes(event, headers):\n    return event\n",
    "pkg/part.py": "",
    "data/numbers.csv": "",
    **dict.fromkeys(["program", "data/program", "run me.sh", "run.sh", "app.sh"], "echo\n"),
}


@pytest.mark.parametrize(("env", "kind", "words"), INIT_ERRORS.values(), ids=INIT_ERRORS)
def test_init_errors(fail: Fail, env: dict[str, str], kind: str | None, words: list[str]) -> None:
    """An init error is logged, posted with its type, and ends the process with 1; the message names what there is."""
    failed = fail(FILES, env=env)
    assert (1, failed.report["errorType"]) == (failed.status, failed.type)
    if kind:
        assert kind == failed.type
    else:
        assert failed.report["errorType"].startswith("Runtime.")
    for word in words:
        assert word in failed.report["errorMessage"]
    assert failed.report["errorMessage"].splitlines()[0] in failed.log
    assert {"errorMessage", "errorType", "requestId", "stackTrace"} == set(failed.report)


def test_transport_that_is_not_installed(fail: Fail) -> None:
    """A transport whose library is missing is an init error like any other wrong setting."""
    hidden = {"sitecustomize.py": "import sys\nsys.modules['requests'] = None\n"}
    failed = fail({**FILES, **hidden}, env={"HANDLER_TRANSPORT": "requests", "PYTHONPATH": "."})
    assert (1, "Runtime.InvalidSetting") == (failed.status, failed.type)
    assert "socket" in failed.report["errorMessage"]


#: Python 3.15's two functions, as far as a start sees them: it prints what it asks them for.
AS_IN_3_15 = """
import sys
def set_lazy_imports_filter(lazy):
    names = "app", "boto3.session", "runtime", "runtime.workers", "dispatch.http"
    print(*[name for name in names if lazy(name, "json", None)])
sys.set_lazy_imports, sys.set_lazy_imports_filter = print, set_lazy_imports_filter
"""


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="this Python has the real ones")
def test_lazy_imports_are_asked_for(serve: Serve) -> None:
    """HANDLER_LAZY=all asks Python 3.15 for lazy imports in all modules but ours, before user code is imported."""
    files = {"app.py": "print('imported')\n" + FILES["app.py"], "sitecustomize.py": AS_IN_3_15}
    runtime = serve(files, "app.handler", env={"HANDLER_LAZY": "all", "PYTHONPATH": "."})
    runtime.invoke(b"1")
    assert [b"app boto3.session", b"all", b"imported"] == runtime.child.output["stdout"].splitlines()


def test_lazy_imports(serve: Serve) -> None:
    """HANDLER_LAZY=all makes the imports of user code lazy; a Python that cannot says so and serves all the same."""
    source = "import sys, colorsys\ndef handler(event, headers):\n    return str('colorsys' in sys.modules)\n"
    runtime = serve({"app.py": source}, "app.handler", env={"HANDLER_LAZY": "all"})
    lazy = sys.version_info >= (3, 15)
    assert str(not lazy).encode() == runtime.invoke(b"1").body
    assert lazy == ("HANDLER_LAZY has no effect before Python 3.15" not in runtime.child.output["stderr"].decode())


@pytest.mark.parametrize(
    "value",
    [
        "",
        "127.0.0.1",
        "127.0.0.1:port",
        "127.0.0.1:\u00b2",
        "127.0.0.1:1/\u20ac",
        "\u00fc..x:1",
        "127.0.0.1:99999",
        "127.0.0.1:0",
        "ftp://127.0.0.1:80",
    ],
)
def test_runtime_api_address_is_required(tmp_path: Path, value: str) -> None:
    """Without a usable AWS_LAMBDA_RUNTIME_API there is nobody to tell: the log says so, and the status is 1."""
    root = write(tmp_path, FILES)
    env = {"HANDLER": "app.handler", "LAMBDA_TASK_ROOT": str(root)}
    child = Child(COMMAND, {**env, "AWS_LAMBDA_RUNTIME_API": value} if value else env, root)
    try:
        status = child.wait()
        if value != "127.0.0.1":
            assert "AWS_LAMBDA_RUNTIME_API" in child.log
        assert 1 == status
        assert "Traceback" not in child.log
    finally:
        child.kill()


def test_blocking_what_is_no_plugin(serve: Serve) -> None:
    """Blocking a plugin that is not there is said on standard error, and does no harm."""
    runtime = serve(FILES, env={"HANDLER_PLUGINS": "-nope"})
    assert b"x" == runtime.invoke(b"x").body
    assert [] == missing(runtime.child.log, "blocks 'nope'", "available: standard")


def test_init_error_that_nobody_takes(serve: Serve) -> None:
    """A Runtime API that cannot be reached does not keep an init error from the log, nor the process alive."""
    runtime = serve(FILES, "app.handlr", env={"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9"})
    status = runtime.child.wait()
    assert 1 == status
    assert "handlr" in runtime.child.log


def test_own_frames_are_cut_from_init_errors(fail: Fail) -> None:
    """The trace of a failing import shows the user's files and not ours."""
    trace = "".join(fail(FILES, "raises.handler").report["stackTrace"])
    assert "raises.py" in trace
    assert "importlib" not in trace
    assert "dispatch/" not in trace


def test_error_inside_a_library_names_both(fail: Fail) -> None:
    """A module that the user's module needs is told apart from the user's module itself."""
    failed = fail({"app.py": "import helper\n", "helper.py": "from collections import nothing_such\n"})
    assert "Runtime.ImportModuleError" == failed.type
    assert "nothing_such" in failed.report["errorMessage"]


@pytest.mark.parametrize("convention", ["process", "coprocess", "asgi", "wsgi"])
def test_known_but_later_conventions(fail: Fail, convention: str) -> None:
    """A convention that is not there yet is an init error that lists those that are."""
    if convention in _available():
        pytest.skip(f"{convention} exists")
    failed = fail(FILES, convention=convention)
    assert "Runtime.UnknownConvention" == failed.type
    for name in ("standard", "script", "expression", "json", "lambda", "stream"):
        assert name in failed.report["errorMessage"]


def _available() -> set[str]:
    import pkgutil

    import conventions

    return {module.name.rstrip("_") for module in pkgutil.iter_modules(conventions.__path__)}


def test_needs_nothing_of_aws(tmp_path: Path) -> None:
    """A bare environment is enough: no HOME, no PATH, no locale."""
    root = write(tmp_path / "task", FILES)
    with Runtime(COMMAND, root, {"HANDLER": "app.handler", "PATH": "", "HOME": "", "LD_LIBRARY_PATH": ""}) as runtime:
        assert b"x" == runtime.invoke(b"x").body


def test_command_is_this_interpreter() -> None:
    """What is tested is `python -P -m runtime`."""
    assert (sys.executable, "-P", "-m", "runtime") == COMMAND
