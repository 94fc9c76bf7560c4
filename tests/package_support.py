"""What the tests of packaging share: wheels and source distributions made on the spot, and a root without Python."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import textwrap
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

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
    with zipfile.ZipFile(path, "w") as wheel:
        for place, content in (files or {f"{name}.py": f"version = {version!r}\n"}).items():
            wheel.writestr(place, content)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n")
        wheel.writestr(f"{info}/RECORD", "")
        wheel.writestr(f"{info}/direct_url.json", '{"url": "file:///home/somebody/secret"}')
    return path


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


def make_root(root: Path, programs: Sequence[str]) -> Path:
    """A root folder with a shell, a few programs and the libraries that these load, and no Python."""
    for program in programs:
        found = shutil.which(program)
        assert found, program
        _add(root, Path(os.path.realpath(found)), Path("/bin", program))
        listed = subprocess.run(["ldd", found], capture_output=True, text=True, check=True).stdout
        for line in listed.splitlines():
            place = next((word for word in line.split() if word.startswith("/")), None)
            if place:
                _add(root, Path(os.path.realpath(place)), Path(place))
    for folder in ("tmp", "opt", "var/task", "dev", "proc"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "dev/null").touch()
    return root


def _add(root: Path, file: Path, place: Path) -> None:
    aim = root / place.relative_to("/")
    aim.parent.mkdir(parents=True, exist_ok=True)
    if not aim.exists():
        shutil.copy(file, aim)
