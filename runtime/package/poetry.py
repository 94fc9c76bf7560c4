"""Reads what a poetry.lock pins for a target, as lines of a requirements file.

The lock file has pins, hashes and, of each package, the packages that it requires; the project's own requirements are
in pyproject.toml. Only what the project requires on the target is listed, so groups such as `dev` stay out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from runtime.package.errors import PackageError
from runtime.package.target import BuildTarget

#: A requirement as far as a lock file needs it: the name, the extras.
Need = tuple[str, frozenset[str]]
#: A part of a version constraint: an operator, and a version or `*`.
_PART = re.compile(r"([\^~<>=!]*)\s*([\w.*+-]+)")


def exported(lock: dict[str, Any], project: dict[str, Any], folder: Path, target: BuildTarget) -> str:
    """The pins of a project's requirements, and of all that these require.

    Args:
        lock: the content of poetry.lock.
        project: the content of the pyproject.toml beside it.
        folder: the folder of both.
        target: the Python and architecture.

    Raises:
        PackageError: the lock file lacks a requirement, or is not one of Poetry's.
    """
    try:
        packages = _by_name(lock, target)
        left, seen = [*_required_by(project, target)], set()
        while left:
            need = left.pop()
            if need in seen:
                continue
            seen.add(need)
            if need[0] not in packages:
                raise PackageError(
                    f"{folder / 'poetry.lock'} does not have {need[0]}, which is required; run `poetry lock`"
                )
            left += _required_of(packages[need[0]], need[1], target)
        return "".join(
            f"{line}\n" for name in sorted({name for name, _ in seen}) for line in _lines(packages[name], folder)
        )
    except (KeyError, TypeError, AttributeError, InvalidMarker, InvalidRequirement, InvalidSpecifier) as error:
        raise PackageError(f"{folder / 'poetry.lock'} cannot be read: {type(error).__name__}: {error}") from None


def _by_name(lock: dict[str, Any], target: BuildTarget) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for package in lock.get("package", []):
        markers = package.get("markers", "")
        markers = markers.get("main", "") if isinstance(markers, dict) else markers
        name = canonicalize_name(package["name"])
        if _applies(markers, target, ()):
            if name in found:
                raise PackageError(
                    f"poetry.lock has two versions of {name} for Python {target.python}; run `poetry export -o "
                    "requirements.txt`, and pass -r requirements.txt"
                )
            found[name] = package
    return found


def _applies(marker: str, target: BuildTarget, extras: Iterable[str]) -> bool:
    if not marker:
        return True
    parsed = Marker(marker)
    return any(parsed.evaluate({**target.markers(), "extra": extra}) for extra in (*extras, ""))


def _required_by(project: dict[str, Any], target: BuildTarget) -> Iterator[Need]:
    """The project's own requirements, in the standard's way of listing them or in Poetry's."""
    for text in project.get("project", {}).get("dependencies", []):
        requirement = Requirement(text)
        if requirement.marker is None or _applies(str(requirement.marker), target, ()):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)
    for name, value in project.get("tool", {}).get("poetry", {}).get("dependencies", {}).items():
        if name.lower() != "python":
            yield from _needs(name, value, (), target)
        elif not allows(value, target.release):
            raise PackageError(
                f"pyproject.toml requires Python {value}, but the archive is for Python {target.python}; pass --python"
            )


def _required_of(package: dict[str, Any], extras: frozenset[str], target: BuildTarget) -> Iterator[Need]:
    for name, value in package.get("dependencies", {}).items():
        yield from _needs(name, value, extras, target)


def _needs(name: str, value: Any, extras: Iterable[str], target: BuildTarget) -> Iterator[Need]:
    """A requirement in Poetry's form: a version, a table, or several of them."""
    for each in value if isinstance(value, list) else [value]:
        table = each if isinstance(each, dict) else {}
        is_optional = bool(table.get("optional")) and not extras
        is_for_target = allows(table.get("python", "*"), target.release) and _is_linux(table.get("platform", "linux"))
        if not is_optional and is_for_target and _applies(table.get("markers", ""), target, extras):
            yield canonicalize_name(name), frozenset(table.get("extras", ()))


def allows(constraint: str, release: str) -> bool:
    """Whether a version constraint of Poetry's allows a release (python-poetry.org/docs/dependency-specification)."""
    alternatives = (map(_specifier, _PART.findall(each)) for each in re.split(r"\|\|?", constraint))
    return any(SpecifierSet(",".join(each)).contains(release) for each in alternatives)


def _specifier(part: tuple[str, str]) -> str:
    operator, version = part
    numbers = version.split(".")
    match operator:
        case "^":
            return f">={version},=={numbers[0]}.*"
        case "~":
            return f">={version},=={'.'.join(numbers[:2])}.*"
        case "" | "=" | "==" if version == "*":
            return ""
        case "" | "=":
            return f"=={version}" if "*" in numbers or len(numbers) > 2 else f"=={version}.*"
        case _:
            return operator + version


def _is_linux(platform: str) -> bool:
    return ("linux" in platform) != platform.startswith("!")


def _lines(package: dict[str, Any], folder: Path) -> Iterator[str]:
    name, source = package["name"], package.get("source", {})
    place = str(source.get("url", ""))
    hashes = "".join(f" --hash={file['hash']}" for file in package.get("files", []))
    match source.get("type", ""):
        case "":
            yield f"{name}=={package['version']}{hashes}"
        case "legacy":
            yield f"--extra-index-url {place}"
            yield f"{name}=={package['version']}{hashes}"
        case "git":
            yield f"{name} @ git+{place}@{source['resolved_reference']}"
        case "url":
            yield f"{name} @ {place}{hashes}"
        case _:
            yield f"{name} @ {(folder / place).resolve().as_uri()}"
