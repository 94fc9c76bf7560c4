"""The archives themselves: made by the command, unpacked as Lambda does, and run where there is no Python."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.files import write
from support.package import NoRoot, debootstrap, emulated, lay_out, make_root, make_zip
from support.rie import CACHE, NoEmulator, binary, rie

from runtime.package import archive, elf, function
from runtime.package.target import BuildTarget

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the archives are for Linux"),
    pytest.mark.skipif(sys.version_info[:2] != (3, 13), reason="they are proved once, with Python 3.13"),
    pytest.mark.xdist_group("proof"),
]

ARCHES = {"x86_64": "x86_64", "arm64": "aarch64"}
VERSION = BuildTarget.here().python
NATIVE = BuildTarget.here().arch
# A compiled library for the layer, another for the function.
LAYER_LIBRARY, FUNCTION_LIBRARY = "msgspec", "markupsafe"
PYTHON = "/opt/dispatch-runtime/python/python3"

Make = Callable[..., Path]


def shared(tmp_path_factory: pytest.TempPathFactory, name: str) -> Path:
    """A folder that all test processes of a run have in common."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / name
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Run `dispatch build` once for each set of arguments, whichever test process comes first; the archive."""
    folder = shared(tmp_path_factory, "archives")
    probe = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder / "probe"), "pluggy"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("the package index can't be reached")

    def once(name: str, *arguments: str) -> Path:
        file = folder / f"{hashlib.sha256(repr(arguments).encode()).hexdigest()[:12]}-{name}"
        with (folder / f"{file.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if file.exists():
                return file
            command = [sys.executable, "-m", "runtime.cli", "build", *arguments, "-o", str(file), "--json"]
            done = subprocess.run([*command, "--python", VERSION], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout)["file"] == str(file)
            return file

    return once


@pytest.fixture(scope="module", params=["minimal", "debian"])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root folder without Python: one of a few files of this machine, and Debian's smallest."""
    if os.geteuid() != 0:
        pytest.skip("chroot needs root")
    try:
        binary()
        if request.param == "minimal":
            yield make_root(tmp_path_factory.mktemp("root"))
            return
        if shutil.which("debootstrap") is None:
            pytest.skip("debootstrap is not installed")
        debian = debootstrap(CACHE.parent / "debian")
    except (NoEmulator, NoRoot) as error:
        pytest.skip(str(error))
    # Several test processes may be here at once, and each unpacks its own archives.
    copy = tmp_path_factory.mktemp("debian")
    subprocess.run(["cp", "-a", f"{debian}/.", copy], check=True)
    yield copy
    shutil.rmtree(copy)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A function that says where what it uses comes from."""
    handler = f"""
        import sys, {LAYER_LIBRARY}, {FUNCTION_LIBRARY}, dispatch

        def handler(event, headers):
            return repr([module.__file__ for module in ({LAYER_LIBRARY}, {FUNCTION_LIBRARY}, dispatch)])
    """
    return write(shared(tmp_path_factory, "source"), {"app.py": handler, "requirements.txt": FUNCTION_LIBRARY})


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A script that says in its own text what it needs."""
    text = f'# /// script\n# dependencies = ["{FUNCTION_LIBRARY}"]\n# ///\nimport {FUNCTION_LIBRARY}\n'
    main = "def main():\n    print(markupsafe.escape(input()), end='')\n"
    return write(shared(tmp_path_factory, "script"), {"hello.py": text + main}) / "hello.py"


def standalone(make: Make, script: Path, arch: str = NATIVE) -> Path:
    """A function archive that needs nothing else."""
    return make(f"standalone-{arch}.zip", "function", str(script), "--standalone", "--arch", arch)


def layer(make: Make, arch: str = NATIVE, *more: str) -> Path:
    """A layer archive."""
    return make(f"layer-{arch}.zip", "layer", "--arch", arch, "--with", LAYER_LIBRARY, *more)


def machines(file: Path, folder: Path) -> set[str]:
    """The processors of all shared objects and programs of an archive."""
    archive.unpack(file, folder)
    read = [elf.Binary.read(path) for path in folder.rglob("*") if path.is_file()]
    return {binary.machine for binary in read if binary}


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("more", [(), ("--interpreter",)], ids=["managed", "interpreter"])
def test_layers(make: Make, tmp_path: Path, arch: str, more: tuple[str, ...]) -> None:
    """Either kind for either processor has only objects of that processor, and passes the checks."""
    file = layer(make, arch, *more)
    assert machines(file, tmp_path) == {ARCHES[arch]}
    command = [sys.executable, "-m", "runtime.cli", "build", "check", str(file), "--arch", arch, "--python", VERSION]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert (done.returncode, report["kind"], report["findings"]) == (0, "layer", [])
    libraries = (tmp_path / "installed-libs.txt").read_text().splitlines()
    assert {"handler-dispatch", LAYER_LIBRARY, "pluggy"} <= {line.partition("==")[0] for line in libraries}


def test_a_layer_without_interpreter_is_small(make: Make) -> None:
    """Less than 3.5 MB, and the library asked for."""
    assert layer(make).stat().st_size < 4 * 1024 * 1024


def test_the_same_bytes_twice(make: Make) -> None:
    """Two builds with interpreter and all are one archive."""
    first = layer(make, NATIVE, "--interpreter")
    second = make("again.zip", "layer", "--arch", NATIVE, "--with", LAYER_LIBRARY, "--interpreter")
    assert first != second
    assert first.read_bytes() == second.read_bytes()


def test_nothing_of_the_building_machine_is_inside(make: Make, tmp_path: Path) -> None:
    """No path of the checkout, the environment or the scratch folder."""
    archive.unpack(layer(make, NATIVE, "--interpreter"), tmp_path)
    homes = [sys.prefix, sys.base_prefix, str(Path(function.__file__).parents[2])]
    for path in tmp_path.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert [home for home in homes if home.encode() + b"/" in content] == [], path


def test_a_layer_on_a_managed_runtime(make: Make, source: Path, tmp_path: Path) -> None:
    """AWS's runtimes start the wrapper with an interpreter and a runtime client; ours runs instead."""
    archive.unpack(layer(make), tmp_path / "opt")
    task = make("function.zip", "function", str(source), "--arch", NATIVE)
    archive.unpack(task, tmp_path / "task")
    # The interpreter that the tests' environment was made from has none of our packages.
    bare = getattr(sys, "_base_executable", sys.executable)
    command = [str(tmp_path / "opt/dispatch"), bare, "/var/runtime/bootstrap.py"]
    env = {"HANDLER": "", "_HANDLER": "app.handler", "AWS_LAMBDA_EXEC_WRAPPER": str(tmp_path / "opt/dispatch")}
    try:
        with rie("", tmp_path / "task", env, command) as emulator:
            places = emulator.invoke(b"").decode()
    except NoEmulator as error:
        pytest.skip(str(error))
    assert f"{tmp_path}/opt/python/{LAYER_LIBRARY}" in places
    assert f"{tmp_path}/task/{FUNCTION_LIBRARY}" in places
    assert f"{tmp_path}/opt/python/dispatch" in places


def test_a_layer_for_another_python_is_said(make: Make, tmp_path: Path) -> None:
    """Compiled libraries would be missing without a word of why: the wrapper says it."""
    archive.unpack(layer(make), tmp_path)
    program = write(tmp_path, {"python3.9": "#!/bin/sh\necho started $@"}) / "python3.9"
    program.chmod(0o755)
    done = subprocess.run([tmp_path / "dispatch", program, "x"], capture_output=True, text=True, check=True)
    assert done.stdout == "started -P -m runtime\n"
    assert f"this layer is for Python {VERSION}" in done.stderr


def test_a_layer_with_interpreter_where_there_is_no_python(make: Make, source: Path, root: Path) -> None:
    """`provided.al2023`: the bootstrap at /opt, the function's compiled library and the layer's."""
    task = make("function.zip", "function", str(source), "--arch", NATIVE)
    lay_out(root, [layer(make, NATIVE, "--interpreter")], task)
    with emulated(root, "app.handler") as emulator:
        places = emulator.invoke(b"").decode()
    assert f"/opt/python/{LAYER_LIBRARY}" in places
    assert f"/var/task/{FUNCTION_LIBRARY}" in places
    assert "/opt/python/dispatch" in places


@pytest.mark.parametrize("arch", ARCHES)
def test_standalone_functions(make: Make, script: Path, tmp_path: Path, arch: str) -> None:
    """One archive with runtime and interpreter for either processor."""
    assert machines(standalone(make, script, arch), tmp_path) == {ARCHES[arch]}
    assert (tmp_path / "bootstrap").stat().st_mode & 0o777 == 0o755


def test_a_standalone_script_where_there_is_no_python(make: Make, script: Path, root: Path) -> None:
    """One command from a script with inline requirements to an upload that runs by itself."""
    lay_out(root, (), standalone(make, script))
    with emulated(root, "hello.py") as emulator:
        assert [b"&lt;1&gt;", b"2"] == [emulator.invoke(b"<1>\n"), emulator.invoke(b"2\n")]


@pytest.mark.parametrize("name", ["bootstrap", "bootstrap.zip"])
def test_the_bootstrap_where_there_is_no_python(make: Make, source: Path, root: Path, name: str) -> None:
    """One file, or a folder in an archive: the function's and a layer's own compiled libraries are found."""
    made = make(name, "bootstrap", "--arch", NATIVE)
    task = make("function.zip", "function", str(source), "--arch", NATIVE)
    libraries = layer(make)
    lay_out(root, [libraries, made] if name.endswith(".zip") else [libraries], task)
    if name == "bootstrap":
        shutil.copy(made, root / "var/task/bootstrap")
    with emulated(root, "app.handler") as emulator:
        places = emulator.invoke(b"").decode()
    assert f"/opt/python/{LAYER_LIBRARY}" in places
    assert f"/var/task/{FUNCTION_LIBRARY}" in places
    assert "dispatch-runtime/site/dispatch" in places


def test_the_one_file_unpacks_once(make: Make, tmp_path: Path) -> None:
    """The second start finds what the first laid out; nothing else is left behind."""
    made = make("bootstrap", "bootstrap", "--arch", NATIVE)
    env = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
    for _ in range(2):
        done = subprocess.run([made], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
        assert "AWS_LAMBDA_RUNTIME_API is not set" in done.stderr, done.stderr
    (home,) = tmp_path.iterdir()
    assert home.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in home.iterdir()) == ["bootstrap", "dispatch-runtime"]


def test_an_exec_wrapper_is_honoured_once(make: Make, tmp_path: Path) -> None:
    """OS-only runtimes leave AWS_LAMBDA_EXEC_WRAPPER to the bootstrap: it gets the interpreter and its arguments."""
    archive.unpack(layer(make, NATIVE, "--interpreter"), tmp_path / "opt")
    text = '#!/bin/sh\necho "wrapped: $#" >>"$SEEN"\nexec "$@"\n'
    wrapper = write(tmp_path, {"wrapper": text}) / "wrapper"
    wrapper.chmod(0o755)
    env = {"PATH": os.environ["PATH"], "AWS_LAMBDA_EXEC_WRAPPER": str(wrapper), "SEEN": str(tmp_path / "seen")}
    done = subprocess.run([tmp_path / "opt/bootstrap"], env=env, capture_output=True, text=True, check=False)
    assert "AWS_LAMBDA_RUNTIME_API is not set" in done.stderr
    assert (tmp_path / "seen").read_text() == "wrapped: 3\n"


@pytest.fixture(scope="module")
def python(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the packaged interpreter."""
    folder = tmp_path_factory.mktemp("interpreter")
    archive.unpack(layer(make, NATIVE, "--interpreter"), folder)
    program = folder / PYTHON.removeprefix("/opt/")

    def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        env = {"PATH": "/usr/bin:/bin", **options.pop("env", {})}
        return subprocess.run([program, *arguments], env=env, capture_output=True, text=True, check=False, **options)

    return run


def test_the_whole_standard_library(python: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """Every module that there is on Linux can be imported, but for windows on a screen, and what installs pip."""
    code = """
        import sys, importlib
        absent = {"idlelib", "tkinter", "_tkinter", "turtle", "turtledemo", "ensurepip", "antigravity", "this"}
        foreign = {"_ios_support", "_android_support", "_apple_support", "_osx_support", "_overlapped", "_scproxy",
                   "_winapi", "_wmi", "_winreg", "msvcrt", "msilib", "nt", "winreg", "winsound", "_msi", "nis", "_nis",
                   "ossaudiodev", "_remote_debugging"}
        for name in sorted(sys.stdlib_module_names - absent - foreign):
            try:
                importlib.import_module(name)
            except Exception as error:
                print(name, repr(error))
    """
    done = python("-W", "ignore", "-c", textwrap.dedent(code))
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("-c", "import sys; print(sys.argv)", "-x", "y"), "['-c', '-x', 'y']"),
        (("-Bsc", "import sys; print(sys.argv, sys.path[0] == '')"), "['-c'] True"),
        (("-P", "-c", "import sys; print('' in sys.path)"), "False"),
        (("-W", "ignore", "-X", "utf8", "-m", "calendar", "2024", "2"), "29"),
        (("-V",), f"Python {VERSION}."),
        (("script.py", "a"), "__main__ ['script.py', 'a'] beside"),
        (("-c", "import multiprocessing as m; m.set_start_method('spawn'); print(m.Pool(1).map(abs, [-1]))"), "[1]"),
        (
            ("-c", "import subprocess, sys; print(subprocess.check_output([sys.executable, '-c', 'print(7)']))"),
            "b'7\\n'",
        ),
        (("-c", "import ssl, sqlite3, lzma, bz2, ctypes; print(ssl.create_default_context().check_hostname)"), "True"),
        (("-c", "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"), "True"),
        (("-c", "import signal; print(signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN)"), "True"),
        (("-c", "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))"), ".cpython-"),
    ],
)
def test_the_interpreter_behaves(
    python: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    """What code does with sys.executable works as with python3."""
    files = {"script.py": "import sys, beside\nprint(__name__, sys.argv, beside.__name__)", "beside.py": ""}
    done = python(*arguments, cwd=write(tmp_path, files))
    assert expected in done.stdout, done.stderr


def test_the_interpreter_reads_its_input_and_environment(
    python: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """A script on standard input; PYTHONPATH, unless -E or -I; the status of exit()."""
    folder = write(tmp_path, {"extra.py": ""})
    env = {"PYTHONPATH": str(folder)}
    assert python("-", input="import extra; exit(3)", env=env).returncode == 3
    assert python("-E", "-c", "import extra", env=env).returncode == 1
    assert python("-I", "-c", "import extra", env=env).returncode == 1


@pytest.mark.skipif(shutil.which("qemu-aarch64-static") is None, reason="qemu-aarch64-static is not installed")
@pytest.mark.skipif(
    not Path("/usr/aarch64-linux-gnu/lib/libc.so.6").exists(), reason="no arm64 libc (libc6-arm64-cross)"
)
def test_the_arm64_interpreter_runs(make: Make, tmp_path: Path) -> None:
    """The interpreter of the arm64 layer starts under an emulated processor and imports our runtime's core."""
    archive.unpack(layer(make, "arm64", "--interpreter"), tmp_path)
    program = tmp_path / PYTHON.removeprefix("/opt/")
    code = "import platform, dispatch, httptools.parser.parser as p; print(platform.machine(), p.__file__)"
    command = ["qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu", str(program), "-c", code]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path / "python")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert "aarch64-linux-gnu.so" in done.stdout, done.stderr


def test_an_archive_made_by_others_is_checked(make: Make, tmp_path: Path) -> None:
    """A layer with the other processor's objects inside is found out."""
    archive.unpack(layer(make, "arm64"), tmp_path / "arm")
    objects = {path.relative_to(tmp_path / "arm").as_posix(): path.read_bytes() for path in tmp_path.rglob("*.so")}
    file = make_zip(tmp_path / "bad.zip", objects)
    command = [sys.executable, "-m", "runtime.cli", "build", "check", str(file), "--arch", "x86_64", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, {found["check"] for found in json.loads(done.stdout)["findings"]}) == (1, {"architecture"})
    assert zipfile.is_zipfile(file)
