"""Building function archives from scripts, modules and folders, and running them with the runtime."""

from __future__ import annotations

import marshal
import os
import re
import sys
import zipfile
from pathlib import Path

import pytest
from pytest_mock import MockerFixture
from support.files import Files, write
from support.package import make_wheel
from support.runtime import Serve

from runtime.package import archive, function, own_runtime
from runtime.package.errors import PackageError
from runtime.package.staging import Built
from runtime.package.target import BuildTarget

V = f"{sys.version_info.major}.{sys.version_info.minor}"
SCRIPT = '# /// script\n# dependencies = ["one"]\n# ///\nimport one\ndef main():\n    print(one.version, input())\n'


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip looks at; it has the packages `one` and `two`."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    make_wheel(folder, "one")
    make_wheel(folder, "two")
    return folder


def names(file: Path) -> list[str]:
    """An archive's members but for bytecode and metadata."""
    with zipfile.ZipFile(file) as made:
        return [name for name in made.namelist() if "__pycache__" not in name and "dist-info" not in name]


def build(source: Path, file: Path, **more: object) -> Built:
    """A build for this machine."""
    return function.build_function(source, file, BuildTarget.here(), **more)  # type: ignore[arg-type]


def test_a_script_with_what_it_says_it_needs(tmp_path: Path, serve: Serve) -> None:
    """One command makes a script an upload: its inline metadata is all that is needed; the runtime runs it."""
    source = write(tmp_path / "src", {"hello.py": SCRIPT, "secret.py": ""}) / "hello.py"
    built = build(source, tmp_path / "hello.zip")
    assert names(built.file) == ["hello.py", "one.py"]
    assert (built.libraries, built.handlers) == (["one==1.0"], ["hello.py", "hello.main"])
    archive.unpack(built.file, tmp_path / "task")
    answer = serve({}, "hello.py", root=tmp_path / "task").invoke(b"there\n")
    assert (answer.kind, answer.body) == ("response", b"1.0 there\n")


def test_a_folder(tmp_path: Path, serve: Serve) -> None:
    """A folder's packages, data and requirements.txt; not its hidden files, caches, virtual environment, the output."""
    files: Files = {
        "app.py": "import one\nfrom lib.more import f\nhandler = lambda event, headers: f() + one.version",
        "lib/__init__.py": "",
        "lib/more.py": "def f(): return open('data.txt').read()",
        "data.txt": "data ",
        "requirements.txt": "one\n",
        ".env": "PASSWORD=1",
        ".git/config": "",
        "lib/__pycache__/more.cpython-30.pyc": b"",
        "venv/pyvenv.cfg": "",
        "venv/lib/big.py": "",
        "app.egg-info/PKG-INFO": "",
    }
    source = write(tmp_path / "src", files)
    (source / "linked.txt").symlink_to("data.txt")
    build(source, source / "app.zip")
    built = build(source, source / "app.zip")
    expected = ["app.py", "data.txt", "lib/__init__.py", "lib/more.py", "linked.txt", "one.py", "requirements.txt"]
    assert expected == names(built.file)
    assert built.handlers == ["app.py", "app.handler"]
    archive.unpack(built.file, tmp_path / "task")
    assert serve({}, "app.handler", root=tmp_path / "task").invoke(b"").body == b"data 1.0"


def test_what_is_not_for_others(tmp_path: Path) -> None:
    """Installers' notes about this machine stay out; what looks like a secret goes in, and a note names it."""
    key = "-----BEGIN RSA PRIVATE KEY-----\n"
    files: Files = {
        "app.py": "token = 'AKIAIOSFODNN7EXAMPLE'\n",
        "lib/server.pem": key,
        "cacert.pem": "-----BEGIN CERTIFICATE-----\n",
        "pip.conf": "[global]\nindex-url = https://me:word@example.com/simple\n",
        "b.py": "url = f'https://{user}:{word}@example.com', 'http://example.com:80/@a'\n",
        "prod.env": "PASSWORD=1",
        ".aws/credentials": key,
        ".ssh/id_rsa": key,
        "one-1.0.dist-info/direct_url.json": '{"url": "file:///home/somebody"}',
        "one-1.0.dist-info/INSTALLER": "pip",
        "one-1.0.dist-info/METADATA": "",
        "__editable__.two-1.0.pth": "/home/somebody/two",
        "direct_url.json": "{}",
    }
    built = build(write(tmp_path / "src", files), tmp_path / "app.zip")
    assert ["app.py", "b.py", "cacert.pem", "direct_url.json", "lib/server.pem", "pip.conf", "prod.env"] == names(
        built.file
    )
    with zipfile.ZipFile(built.file) as made:
        assert ["one-1.0.dist-info/METADATA"] == [name for name in made.namelist() if "dist-info" in name]
    expected = {
        "an AWS access key: app.py",
        "a private key: lib/server.pem",
        "a password in an address: pip.conf",
        "settings that are secret: prod.env",
    }
    assert expected == {note.partition("looks like ")[2].partition(";")[0] for note in built.notes}


def test_the_same_bytes_twice(tmp_path: Path) -> None:
    """Two builds of one source are one archive, bytecode and all, wherever the source lies."""
    first = write(tmp_path / "a", {"app.py": "x = {'b', 'a', 'c'}\nhandler = lambda e, h: 'a' in {'x', 'y', 'a', e}"})
    second = write(tmp_path / "somewhere/else", {"app.py": (first / "app.py").read_bytes()})
    build(first, tmp_path / "1.zip", requirements=["two"])
    build(second, tmp_path / "2.zip", requirements=["two"])
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


def test_bytecode_names_the_place_in_lambda(tmp_path: Path, serve: Serve) -> None:
    """It names /var/task, not the building machine; it is used whatever date and content its source has."""
    source = write(tmp_path / "src", {"app.py": "def handler(event, headers):\n    return 'from the bytecode'"})
    built = build(source, tmp_path / "app.zip")
    assert built.compiled == 1
    archive.unpack(built.file, tmp_path / "task")
    # The code follows a head of 16 bytes: docs.python.org/3/reference/import.html#pyc-invalidation.
    code = marshal.loads(next((tmp_path / "task/__pycache__").iterdir()).read_bytes()[16:])
    assert code.co_filename == "/var/task/app.py"
    (tmp_path / "task/app.py").write_text("def handler(event, headers):\n    return 'from the source'")
    assert serve({}, "app.handler", root=tmp_path / "task").invoke(b"").body == b"from the bytecode"


def test_not_compiled_is_said(tmp_path: Path, mocker: MockerFixture) -> None:
    """Without a Python of that version the archive is made all the same, and a note says what is missing."""
    source = write(tmp_path / "src", {"app.py": ""})
    mocker.patch("runtime.package.pythons.find_python", return_value=None)
    built = function.build_function(source, tmp_path / "app.zip", BuildTarget("3.14", "arm64"))
    assert names(built.file) == ["app.py"]
    assert [note.partition(":")[0] for note in built.notes] == ["not compiled"]


def test_a_file_that_is_no_python_of_that_version(tmp_path: Path) -> None:
    """A library may have templates that are no Python; they stay as they are, the rest is compiled."""
    source = write(tmp_path / "src", {"app.py": "", "template.py": "{{ this is }}"})
    assert build(source, tmp_path / "app.zip").compiled == 1


def test_a_pyz_from_a_script(tmp_path: Path, serve: Serve) -> None:
    """The script is the archive's __main__.py, its libraries are inside; the runtime runs it, and Python does."""
    source = write(tmp_path / "src", {"hello.py": SCRIPT}) / "hello.py"
    (tmp_path / "task").mkdir()
    built = build(source, tmp_path / "task/hello.pyz")
    assert sorted(names(built.file)) == ["__main__.py", "__main__.pyc", "one.py", "one.pyc"]
    assert built.handlers == ["hello.pyz"]
    assert serve({}, "hello.pyz", root=tmp_path / "task").invoke(b"there\n").body == b"1.0 there\n"


def test_a_pyz_from_a_folder(tmp_path: Path, serve: Serve) -> None:
    """A function inside the archive is named behind the archive's name."""
    source = write(tmp_path / "src", {"app.py": "import two\nhandler = lambda event, headers: two.version"})
    (tmp_path / "task").mkdir()
    built = build(source, tmp_path / "task/app.pyz", requirements=["two"])
    assert built.handlers == ["app.pyz/app.handler"]
    assert serve({}, "app.pyz/app.handler", root=tmp_path / "task").invoke(b"").body == b"1.0"


def test_a_pyz_has_no_shared_objects(tmp_path: Path, index: Path) -> None:
    """They load only from files, so the error names them before Lambda would."""
    make_wheel(index, "fast", files={"fast/__init__.py": "", "fast/core.so": b"\x7fELF"})
    source = write(tmp_path / "src", {"app.py": ""})
    with pytest.raises(PackageError, match=r"fast/core\.so; build a \.zip"):
        build(source, tmp_path / "app.pyz", requirements=["fast"])


def test_a_pyz_is_not_standalone(tmp_path: Path) -> None:
    """A .pyz is no function by itself."""
    source = write(tmp_path / "src", {"app.py": ""})
    with pytest.raises(PackageError, match=r"--standalone needs a \.zip"):
        build(source, tmp_path / "app.pyz", standalone=True)


def test_nothing_to_build_from(tmp_path: Path) -> None:
    """A source that is not there, or has nothing in it."""
    (tmp_path / "empty/.git").mkdir(parents=True)
    with pytest.raises(PackageError, match=r"no such file or folder: .*nowhere"):
        build(tmp_path / "nowhere", tmp_path / "app.zip")
    with pytest.raises(PackageError, match=r"no files to build a function from: .*empty"):
        build(tmp_path / "empty", tmp_path / "app.zip")


def test_a_broken_link_in_the_source(tmp_path: Path) -> None:
    """A link to nothing can't be copied as what it names: the error names the link."""
    source = write(tmp_path / "src", {"app.py": ""})
    (source / "gone.py").symlink_to("nowhere.py")
    with pytest.raises(PackageError, match=r"gone\.py"):
        build(source, tmp_path / "app.zip")


@pytest.mark.parametrize(
    ("link", "reason"),
    [("..", "a folder that it is in"), ("here", "symbolic links"), ("/dev/zero", "not a regular file")],
)
def test_a_link_without_an_end(tmp_path: Path, link: str, reason: str) -> None:
    """A link to a folder above itself, to itself, and to a device."""
    source = write(tmp_path / "src", {"app.py": ""})
    (source / "deep").mkdir()
    (source / "deep/here").symlink_to(link)
    with pytest.raises(PackageError, match=f"deep/here.*{reason}"):
        build(source, tmp_path / "app.zip")


def test_links_in_a_circle(tmp_path: Path) -> None:
    """Each leads to the folder of the other, so following them would never end."""
    source = write(tmp_path / "src", {"a/app.py": "", "b/app.py": ""})
    (source / "a/b").symlink_to("../b")
    (source / "b/a").symlink_to("../a")
    with pytest.raises(PackageError, match="is a link to a folder that it is in"):
        build(source, tmp_path / "app.zip")


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    """A zip archive has no such names."""
    source = write(tmp_path / "src", {"app.py": ""})
    (source / os.fsdecode(b"\xff.txt")).touch()
    with pytest.raises(PackageError, match=r"not UTF-8: .*xff|udcff"):
        build(source, tmp_path / "app.zip")


def test_metadata_after_a_mark(tmp_path: Path) -> None:
    """Notepad writes a byte order mark, which Python reads; and a requirement is not an option."""
    script = write(tmp_path, {"app.py": "\ufeff# /// script\n# dependencies = ['--pre']\n# ///\n"}) / "app.py"
    with pytest.raises(PackageError, match="not a requirement but an option: --pre"):
        build(script, tmp_path / "app.zip")


def test_our_own_runtime(tmp_path: Path) -> None:
    """The runtime goes in as it is installed; what only the command needs stays out, and this machine's name too."""
    own_runtime.copy(tmp_path)
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {
        "dispatch/locate.py",
        "conventions/json.py",
        "runtime/__main__.py",
        "runtime/transport/__init__.py",
    } <= found
    left_out = tuple(f"{folder}/" for folder in own_runtime.COMMAND_ONLY)
    assert [path for path in found if path.startswith(left_out) or "__pycache__" in path] == []
    assert sorted(path.partition("/")[2] for path in found if path.partition("/")[0].endswith(".dist-info")) == [
        "METADATA",
        "licenses/LICENSE",
    ]
    checkout = str(Path(function.__file__).parents[2]).encode()
    assert [path for path in found if checkout in (tmp_path / path).read_bytes()] == []
    required = sorted(re.split(r"[<>=]", requirement)[0] for requirement in own_runtime.required())
    assert required == ["httptools", "orjson", "pluggy", "requests", "simplejson"]


def test_programs_and_shell_functions(tmp_path: Path, serve: Serve) -> None:
    """A program keeps its run bit, and the functions of a shell file are offered."""
    source = write(tmp_path / "src", {"tool": "#!/bin/sh\ncat\n", "all.sh": "one() { cat; }\nfunction two { cat; }\n"})
    built = build(source, tmp_path / "all.zip")
    assert ["all.one", "all.two"] == built.handlers
    archive.unpack(built.file, tmp_path / "task")
    assert b"x" == serve({}, "tool", root=tmp_path / "task").invoke(b"x").body
    assert ["all.one", "all.two"] == build(source / "all.sh", tmp_path / "one.zip").handlers
    assert ["tool"] == build(source / "tool", tmp_path / "tool.zip").handlers


def test_functions_for_other_platforms(tmp_path: Path) -> None:
    """They are among the handlers, each with its convention, in subfolders as well."""
    vercel = "from http.server import BaseHTTPRequestHandler\nclass handler(BaseHTTPRequestHandler): ...\n"
    source = write(tmp_path / "src", {"app.py": "def handler(event, headers): ...\n", "api/index.py": vercel})
    built = build(source, tmp_path / "app.zip")
    assert ["app.py", "app.handler", "api/index.handler"] == built.handlers
    assert {"api/index.handler": "vercel"} == built.conventions == built.as_json()["conventions"]


def plugin_wheel(index: Path, name: str, source: str) -> None:
    """A wheel with one plugin."""
    make_wheel(
        index,
        name,
        files={f"{name}.py": source, f"{name}-1.0.dist-info/entry_points.txt": f"[dispatch]\n{name} = {name}\n"},
    )


CONVENTION = """
import sys
from dispatch import respond
def own(function):
    return lambda invocation: respond(function({name!r}), str.encode, "text/plain")
def dispatch_conventions():
    return {{{name!r}: own}}
"""
LOADED = {
    "app.py": "import sys\ndef handler(*arguments):\n    return ' '.join({'one_plugin', 'added'} & {*sys.modules})\n"
}


def test_plan_of_the_plugins(tmp_path: Path, index: Path, serve: Serve) -> None:
    """A start imports the plugins that it needs: those of the plan, and any that came into the folder after it."""
    plugin_wheel(index, "one_plugin", CONVENTION.format(name="one"))
    plugin_wheel(index, "added", CONVENTION.format(name="two"))
    built = build(write(tmp_path / "src", LOADED), tmp_path / "f.zip", requirements=["one_plugin"])
    assert ("dispatch-plugins.txt" in names(built.file), built.notes) == (True, [])
    root = tmp_path / "task"
    archive.unpack(built.file, root)

    def loaded(convention: str) -> set[str]:
        return {*serve({}, "app.handler", convention, root=root).invoke(b"x").body.decode().split()}

    assert [set(), {"one_plugin"}] == [loaded(each) for each in ("standard", "one")]
    with zipfile.ZipFile(index / "added-1.0-py3-none-any.whl") as wheel:
        wheel.extractall(root)
    assert [{"added"}, {"one_plugin", "added"}, {"one_plugin", "added"}] == [
        loaded(each) for each in ("standard", "one", "two")
    ]


def test_no_plan_of_a_broken_plugin(tmp_path: Path, index: Path) -> None:
    """A plugin that cannot be loaded is named by the build, and again by each start."""
    plugin_wheel(index, "broken", "1 / 0\n")
    built = build(write(tmp_path / "src", LOADED), tmp_path / "f.zip", requirements=["broken"])
    assert "dispatch-plugins.txt" not in names(built.file)
    (note,) = built.notes
    assert "no plan of the plugins" in note
    assert "left out the plugin broken (broken 1.0): ZeroDivisionError: division by zero" in note
