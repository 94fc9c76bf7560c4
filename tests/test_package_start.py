"""The start file of an archive: the runtime's modules in one file, and `-S` without a difference for user code."""

from __future__ import annotations

import json
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.files import Files, write
from support.runtime import Runtime

from runtime.package import own_runtime, pythons, start, start_scripts

#: The interpreter that the tests' environment was made from: none of our packages, and no `pyvenv.cfg`.
BARE = getattr(sys, "_base_executable", sys.executable)
LIBRARIES = sysconfig.get_path("purelib")

SEEN = """
import builtins, sys
def handler(event, headers):
    names = [name for name in ("exit", "quit", "help") if hasattr(builtins, name)]
    return repr((names, [path for path in sys.path if "task" not in path]))
"""


@pytest.fixture(scope="module")
def opt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layer's folder with the runtime, moved after it was compiled for another place."""
    made = tmp_path_factory.mktemp("made")
    own_runtime.copy(made / "python")
    pythons.compile_tree(made, "/opt", Path(sys.executable))
    pythons.write_start_file(made, "/opt", "python", Path(sys.executable))
    place = tmp_path_factory.mktemp("layer") / "opt"
    shutil.move(made, place)
    return place


#: Starts a handler of `app.py` from the start file, with options of the interpreter and variables.
Start = Callable[..., Runtime]


@pytest.fixture
def start_file(tmp_path: Path, opt: Path) -> Iterator[Start]:
    """Starts the runtime from the start file; the libraries of this environment stand in for the layer's."""
    with ExitStack() as stack:

        def started(
            source: str, *options: str, convention: str = "standard", path: str = "", files: Files | None = None
        ) -> Runtime:
            env = {"_HANDLER": "app.handler", "HANDLER_CONVENTION": convention}
            env["PYTHONPATH"] = ":".join(filter(None, [path, str(opt / "python"), LIBRARIES]))
            command = [BARE, *options, "-P", str(opt / start_scripts.START_FILE)]
            return stack.enter_context(
                Runtime(command, write(tmp_path / "task", {"app.py": source, **(files or {})}), env)
            )

        yield started


def test_modules_come_from_the_start_file(start_file: Start, opt: Path) -> None:
    """The runtime is imported from it, but its modules say where their sources are."""
    source = """
import json, sys
loaders = {name: type(module.__spec__.loader).__name__ for name, module in sys.modules.items() if module.__spec__}
files = [module.__file__ for name, module in sys.modules.items() if name.startswith(("dispatch", "runtime"))]
def handler(event, headers):
    return json.dumps([loaders["runtime.environment"], loaders["dispatch.load"], loaders["json"], files])
"""
    *loaders, files = json.loads(start_file(source).invoke(b"x").body)
    assert ["_Bundle", "_Bundle", "SourceFileLoader"] == loaders
    assert {opt / "python/dispatch/load.py", opt / "python/runtime/client.py"} <= {*map(Path, files)}
    assert all(Path(file).is_relative_to(opt) and Path(file).is_file() for file in files)


def test_errors_have_no_frame_of_ours(start_file: Start) -> None:
    """Frames of ours are recognised wherever the archive has been unpacked."""
    report = json.loads(start_file("def handler(event, headers):\n    1 / 0\n").invoke(b"x").body)
    assert "ZeroDivisionError" == report["errorType"]
    assert 1 == "".join(report["stackTrace"]).count("File ")


def test_what_the_start_file_lacks(start_file: Start) -> None:
    """A port comes from its folder."""
    runtime = start_file("def handler(args):\n    return {'twice': 2 * args['n']}\n", convention="openwhisk")
    assert {"twice": 4} == json.loads(runtime.invoke(b'{"n": 2}').body)


def test_packages_with_our_names(start_file: Start) -> None:
    """A function's own packages win over the start file, with their modules, also where ours has one of the same name."""
    own = {
        "dispatch/__init__.py": "",
        "dispatch/errors.py": "mine = 'own'\n",
        "runtime/__init__.py": "mine = 'runtime'\n",
    }
    source = "import runtime\nfrom dispatch.errors import mine\ndef handler(event, headers):\n    return mine + runtime.mine\n"
    assert b"ownruntime" == start_file(source, files=own).invoke(b"x").body


def test_without_site(start_file: Start) -> None:
    """Under `-S`, user code finds the same folders on Python's path, and the same names, as without it."""
    assert start_file(SEEN).invoke(b"x").body == start_file(SEEN, "-S").invoke(b"x").body


def test_site_is_run(tmp_path: Path, start_file: Start) -> None:
    """A sitecustomize on Python's path runs, as OpenTelemetry's and Datadog's do."""
    write(tmp_path / "more", {"sitecustomize.py": "print('customized')\n"})
    runtime = start_file(SEEN, "-S", path=str(tmp_path / "more"))
    runtime.invoke(b"x")
    assert b"customized" in runtime.child.output["stdout"]


def test_processes_of_multiprocessing(tmp_path: Path, start_file: Start) -> None:
    """Python passes `-S` on to them; what `site` does is done in them, too."""
    source = """
import builtins, multiprocessing, sys
def found(_):
    return hasattr(builtins, "exit"), "sitecustomize" in sys.modules
def handler(event, headers):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return repr(pool.map(found, [1]))
"""
    assert b"[(True, False)]" == start_file(source, "-S").invoke(b"x").body
    write(tmp_path / "more", {"sitecustomize.py": ""})
    assert b"[(True, True)]" == start_file(source, "-S", path=str(tmp_path / "more")).invoke(b"x").body


def test_files_of_our_packages(start_file: Start) -> None:
    """Tools find the sources and the other files of a package from the start file, as of any other package."""
    source = """
import importlib, importlib.resources, inspect, pkgutil
import dispatch.load
def handler(event, headers):
    text = pkgutil.get_data("dispatch", "load.py").decode()
    files = {file.name for file in importlib.resources.files("dispatch").iterdir()}
    again = importlib.reload(dispatch.load)
    return repr([text == inspect.getsource(dispatch.load), "load.py" in files, again is dispatch.load])
"""
    assert b"[True, True, True]" == start_file(source, "-S").invoke(b"x").body


Prefix = Callable[[dict[str, str]], Path]


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prefix:
    """Makes a folder with an interpreter's files, and takes it for this interpreter's."""

    def made(files: dict[str, str]) -> Path:
        name = f"python{sys.version_info.major}.{sys.version_info.minor}"
        packages = f"lib/{name}/site-packages"
        write(
            tmp_path,
            {place.format(packages=packages): text for place, text in {"{packages}/one.py": "", **files}.items()},
        )
        monkeypatch.setattr(sys, "prefix", str(tmp_path))
        monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python3"))
        monkeypatch.setattr(sys, "platlibdir", "lib")
        monkeypatch.setattr(sys, "path", [str(tmp_path / "added")])
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        return tmp_path / packages

    return made


def test_site_is_not_needed(prefix: Prefix) -> None:
    """Where site would only add the folder of libraries, this is all that is done."""
    assert str(prefix({})) == start._packages()


@pytest.mark.parametrize(
    "file",
    [
        "{packages}/links.pth",
        "{packages}/sitecustomize.py",
        "{packages}/usercustomize/__init__.py",
        "added/sitecustomize.py",
        "pyvenv.cfg",
        "bin/pyvenv.cfg",
        "home/.local/{packages}/any.py",
    ],
)
def test_site_is_needed(prefix: Prefix, file: str) -> None:
    """Where site would do more, it is run."""
    prefix({file: ""})
    assert "" == start._packages()


def test_site_is_needed_for_the_users_own_libraries(
    tmp_path: Path, prefix: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PYTHONUSERBASE names their folder, instead of `~/.local`."""
    prefix({"base/{packages}/any.py": ""})
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "base"))
    assert "" == start._packages()
