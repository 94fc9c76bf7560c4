"""Creates the virtual environments in which runtimes are measured: one runtime each, with only its dependencies.

A developer's own environment would distort the figures: every distribution in it costs time in a runtime that looks
for plugins, and a runtime without the `fast` extra would use an installed msgspec.
"""

import compileall
import platform
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from dispatch.shadowing import OUR_PACKAGES

OURS = "handler-dispatch"
PLUGIN = '''"""A convention that no one requests, to measure the cost of an installed plugin."""


def unused(function):
    return function


def dispatch_conventions():
    return {{"{name}": unused}}
'''
OBSERVER = '''"""A plugin that observes, to measure the cost of pluggy."""


def dispatch_startup(function):
    pass
'''


@dataclass(frozen=True)
class Installed:
    """The contents of an environment.

    Attributes:
        distributions: distributions that are installed together with their dependencies.
        plugins: how many plugins that add a convention are installed as well.
        observer: whether a plugin that observes is installed as well.
        others: how many other distributions are installed as well.
        layer: whether a layer from `dispatch build` lies beside it, unpacked as Lambda unpacks it below `/opt`.
        first: a folder of distributions that are taken in preference to this interpreter's; empty for none.
    """

    distributions: tuple[str, ...] = ()
    plugins: int = 0
    observer: bool = False
    others: int = 0
    layer: bool = False
    first: str = ""


def create(folder: Path, installed: Installed) -> Path:
    """Create the environment in `folder`, compiled to bytecode; returns its interpreter."""
    # The base interpreter's own venv module: symbolic links, no pip, about 50 ms.
    venv.create(folder, with_pip=False, symlinks=True)
    site = next((folder / "lib").glob("python3.*")) / "site-packages"
    for one in _closure(installed.distributions, installed.first).values():
        _copy(one, site)
    if OURS in installed.distributions:
        _copy_ours(site)
    plugins = {f"unused{number}": PLUGIN.format(name=f"unused{number}") for number in range(installed.plugins)}
    for name, text in (plugins | ({"observer": OBSERVER} if installed.observer else {})).items():
        (site / f"{name}.py").write_text(text)
        _describe(site, name, f"[dispatch]\n{name} = {name}\n")
    for number in range(installed.others):
        # About one distribution in three has entry points, nearly always for commands.
        commands = f"[console_scripts]\nother{number} = other{number}:main\n" if number % 3 == 0 else ""
        _describe(site, f"other{number}", commands)
    compileall.compile_dir(site, quiet=2)
    if installed.layer:
        _build_layer(folder / "layer")
    return folder / "bin" / "python"


def distribution(name: str, first: str = "") -> metadata.Distribution:
    """A distribution in that folder, or else this interpreter's. Raises PackageNotFoundError."""
    found = metadata.distributions(name=name, path=[first]) if first else ()
    return next(iter(found), None) or metadata.distribution(name)


def _closure(names: tuple[str, ...], first: str = "") -> dict[str, metadata.Distribution]:
    """These distributions and all that they require, by name."""
    found: dict[str, metadata.Distribution] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = distribution(name, first)
        waiting.extend(_requirements(found[name]))
    return dict(sorted(found.items()))


def _requirements(of: metadata.Distribution) -> Iterator[str]:
    for requirement in map(Requirement, of.requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name


def _copy(one: metadata.Distribution, site: Path) -> None:
    for file in one.files or ():
        # Commands are outside site-packages, and a .pth file would lead back to the developer's environment.
        if ".." in file.parts or file.suffix in {".pth", ".pyc"}:
            continue
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(one.locate_file(file)), target)


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
    """The versions of the measured distributions and of their dependencies."""
    found = _closure((OURS, "awslambdaric", "msgspec"))
    return {"python": sys.version.split()[0]} | {name: one.version for name, one in found.items()}
