"""Makes the virtual environments in which runtimes are measured: one runtime each, with just what it depends on.

A developer's own environment would not do: every distribution in it costs a runtime that looks for plugins time, and an
installed orjson would be used where it is not what is measured.
"""

import compileall
import platform
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from dispatch.shadowing import OUR_PACKAGES

OURS = "handler-dispatch"
PLUGIN = '''"""A convention that nobody asks for: what it costs that a plugin is installed."""


def unused(function):
    return function


def dispatch_conventions():
    return {{"{name}": unused}}
'''


@dataclass(frozen=True)
class Installed:
    """What an environment holds: distributions with what they need, and any number of plugins and of others.

    With ``layer`` there is, beside it, a layer as ``dispatch build`` makes it, unpacked as Lambda does below ``/opt``.
    """

    distributions: tuple[str, ...] = ()
    plugins: int = 0
    others: int = 0
    layer: bool = False


def create(folder: Path, installed: Installed) -> Path:
    """Makes the environment in FOLDER, compiled to bytecode; returns its interpreter."""
    # The base interpreter's own venv module: symbolic links, no pip, about 50 ms.
    venv.create(folder, with_pip=False, symlinks=True)
    site = next((folder / "lib").glob("python3.*")) / "site-packages"
    for name in sorted(_closure(installed.distributions)):
        _copy(metadata.distribution(name), site)
    if OURS in installed.distributions:
        _copy_ours(site)
    for number in range(installed.plugins):
        (site / f"unused{number}.py").write_text(PLUGIN.format(name=f"unused{number}"))
        _describe(site, f"unused{number}", f"[dispatch]\nunused{number} = unused{number}\n")
    for number in range(installed.others):
        # About one distribution in three has entry points, nearly always of commands.
        commands = f"[console_scripts]\nother{number} = other{number}:main\n" if number % 3 == 0 else ""
        _describe(site, f"other{number}", commands)
    compileall.compile_dir(site, quiet=2)
    if installed.layer:
        _build_layer(folder / "layer")
    return folder / "bin" / "python"


def _closure(names: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting.extend(_requirements(name))
    return found


def _requirements(name: str) -> Iterator[str]:
    for requirement in metadata.requires(name) or ():
        if "extra ==" not in requirement and "python_version <" not in requirement:
            yield re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]


def _copy(distribution: metadata.Distribution, site: Path) -> None:
    for file in distribution.files or ():
        # Commands lie outside of site-packages; a .pth file would lead back to the developer's environment.
        if ".." in file.parts or file.suffix in {".pth", ".pyc"}:
            continue
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(distribution.locate_file(file)), target)


def _copy_ours(site: Path) -> None:
    root = Path(__file__).parents[1]
    for package in OUR_PACKAGES:
        shutil.copytree(
            root / package, site / package, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
        )


def _build_layer(folder: Path) -> None:
    archive = folder.with_suffix(".zip")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    arch = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    build = [sys.executable, "-m", "runtime.cli", "build", "layer", "--interpreter", "-o", str(archive)]
    subprocess.run([*build, "--python", python, "--arch", arch], check=True, capture_output=True)
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            Path(opened.extract(entry, folder)).chmod(entry.external_attr >> 16 & 0o777)
    archive.unlink()


def _describe(site: Path, name: str, entry_points: str) -> None:
    folder = site / f"{name.replace('-', '_')}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (folder / "RECORD").write_text("")
    if entry_points:
        (folder / "entry_points.txt").write_text(entry_points)


def versions() -> dict[str, str]:
    """The versions of what is measured, and of what it depends on."""
    names = sorted(_closure((OURS, "awslambdaric", "orjson", "msgspec")))
    return {"python": sys.version.split()[0]} | {name: metadata.version(name) for name in names}
