"""What the tests of packaging share: wheels and source distributions made on the spot, and a root without Python."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import textwrap
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from runtime.package import archive
from support.process import Child
from support.rie import Emulator, addresses, binary, ready

# A build backend that is part of the source distribution itself, so that building needs no index.
BACKEND = """
import os, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        wheel.writestr("{name}.py", "built = True\\n")
        info = "{name}-{version}.dist-info"
        wheel.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: {tag}\\n")
        wheel.writestr(info + "/RECORD", "")
    return name
"""


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    tag: str = "py3-none-any",
    files: Mapping[str, str | bytes] | None = None,
    requires: Sequence[str] = (),
) -> Path:
    """A wheel with one module of its own name, or the files given."""
    path = folder / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    content = {
        **(files or {f"{name}.py": f"version = {version!r}\n"}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{info}/direct_url.json": '{"url": "file:///home/somebody/secret"}',
    }
    record = "".join(f"{place},sha256={digest(each)},\n" for place, each in content.items())
    with zipfile.ZipFile(path, "w") as wheel:
        for place, each in {**content, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            wheel.writestr(place, each)
    return path


def digest(content: str | bytes) -> str:
    """A file's digest as a wheel's RECORD has it."""
    raw = hashlib.sha256(content.encode() if isinstance(content, str) else content).digest()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def make_sdist(folder: Path, name: str, version: str = "1.0", tag: str = "py3-none-any") -> Path:
    """A source distribution whose wheel has the given tag."""
    files = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": BACKEND.format(name=name, version=version, tag=tag),
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
    }
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for place, text in files.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{place}")
            content = text.encode()
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def make_zip(path: Path, files: Mapping[str, str | bytes], modes: Mapping[str, int] | None = None) -> Path:
    """An archive as other tools make one: each file with 0644 unless told."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            entry.external_attr = (modes or {}).get(name, 0o100644) << 16
            archive.writestr(entry, textwrap.dedent(content) if isinstance(content, str) else content)
    return path


# What the archives' own scripts use, and the libraries of Lambda's systems.
PROGRAMS = ("sh", "chmod", "head", "mkdir", "mv", "printf", "rm", "tail")
LIBRARIES = ("libm.so.6", "libpthread.so.0", "libdl.so.2", "libutil.so.1", "librt.so.1", "libz.so.1", "libgcc_s.so.1")


def make_root(root: Path) -> Path:
    """A root folder with a shell, a few programs, the system's basic libraries, and no Python."""
    for program in PROGRAMS:
        found = shutil.which(program)
        assert found, program
        _add(root, Path(found), Path("/bin", program))
        listed = subprocess.run(["ldd", found], capture_output=True, text=True, check=True).stdout
        places = [Path(word) for line in listed.splitlines() for word in line.split() if word.startswith("/")]
        for place in places:
            _add(root, place, place)
            for name in LIBRARIES if place.name == "libc.so.6" else ():
                _add(root, place.with_name(name), place.with_name(name))
    (root / "dev").mkdir(exist_ok=True)
    (root / "dev/null").touch()
    return root


def _add(root: Path, file: Path, place: Path) -> None:
    aim = root / place.relative_to("/")
    aim.parent.mkdir(parents=True, exist_ok=True)
    if not aim.exists():
        shutil.copy(os.path.realpath(file), aim)


def debootstrap(root: Path) -> Path:
    """Debian's smallest system, which has no Python, made once."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with root.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _debootstrap(root)
    return root


def _debootstrap(root: Path) -> None:
    if not (root / "complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", "stable", str(root)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=540, check=False)
        if done.returncode != 0:
            raise NoRoot(f"debootstrap failed: {done.stdout[-300:]}")
        (root / "complete").touch()


class NoRoot(Exception):
    """There is no such root folder here, and why."""


def lay_out(root: Path, layers: Sequence[Path] = (), task: Path | None = None) -> Path:
    """Unpack archives as Lambda does: layers at /opt, one over the other, a function at /var/task."""
    for folder in ("opt", "var/task", "tmp"):
        shutil.rmtree(root / folder, ignore_errors=True)
        (root / folder).mkdir(parents=True)
    for layer in layers:
        archive.unpack(layer, root / "opt")
    if task is not None:
        archive.unpack(task, root / "var/task")
    return root


@contextlib.contextmanager
def emulated(root: Path, handler: str, env: Mapping[str, str] | None = None) -> Iterator[Emulator]:
    """AWS's emulator in the root folder; it looks for the bootstrap where Lambda does."""
    shutil.copy(binary(), root / "emulator")
    settings = {"LAMBDA_TASK_ROOT": "/var/task", "_HANDLER": handler, "AWS_LAMBDA_FUNCTION_HANDLER": handler}
    chroot = shutil.which("chroot", path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert chroot
    with addresses() as (front, options):
        command = [chroot, str(root), "/emulator", "--log-level", "error", *options]
        child = Child(command, {"PATH": "/usr/bin:/bin", **settings, **(env or {})})
        with ready(child, front) as emulator:
            yield emulator
