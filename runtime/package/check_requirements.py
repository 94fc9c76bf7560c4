"""Checks that what an archive's libraries and its requirements.txt require is in the archive."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice, product
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from runtime.package import dependencies, source
from runtime.package.errors import PackageError
from runtime.package.inspected import Finding, Inspected
from runtime.package.target import MACHINES, PYTHONS, BuildTarget

#: The rest of a line after its requirement: a comment, options such as --hash, a backslash.
_AFTER_REQUIREMENT = re.compile(r"(^|\s)(#|--).*|\\\s*$")
#: What AWS's Python runtimes have (docs.aws.amazon.com/lambda/latest/dg/lambda-python.html).
_IN_RUNTIME = frozenset({"boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3"})
#: More requirements than any archive has, and more letters of one and of all.
_MANY, _MANY_EXTRAS, _DEPTH, _LONG, _LONG_ALL = 5000, 200, 10, 2000, 500_000
#: The fields of a distribution's metadata that matter here, and what may be the name of an extra in a marker.
_FIELD = re.compile(r"^(requires-dist|requires-python)[ \t]*:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE | re.IGNORECASE)
_QUOTED = re.compile(r"\"([^\"]*)\"")
#: What `packaging` raises for requirements and markers that are malformed, or ask for what there is not.
_INVALID = (ValueError, KeyError, RecursionError)


@dataclass(frozen=True, slots=True)
class _Need:
    """A requirement, and the file or distribution that has it."""

    where: str
    requirement: Requirement
    is_listed: bool

    @property
    def name(self) -> str:
        """The normalised name of what is required."""
        return canonicalize_name(self.requirement.name)

    @property
    def of(self) -> str:
        """The normalised name of the distribution that requires it."""
        return canonicalize_name(self.where.rpartition("/")[2].partition("-")[0])


@dataclass(frozen=True, slots=True)
class _Distribution:
    """A distribution in the archive."""

    where: str
    version: str
    requires: tuple[str, ...] = ()
    python: str = ""


def missing_requirements(inspected: Inspected) -> Iterator[Finding]:
    """A requirement of requirements.txt, or of a library, that is not in the archive for the archive's Python."""
    inside = _installed(inspected.root)
    yield from _for_another_python(inside, inspected.python)
    targets = [
        BuildTarget(python, arch)
        for python, arch in product(
            [inspected.python] if inspected.python in PYTHONS else PYTHONS,
            [inspected.arch] if inspected.arch else MACHINES,
        )
    ]
    needs = [*_affordable(chain(_listed(inspected), *map(_needs, inside.values())))]
    extras = _extras(needs, targets)
    seen = set()
    for need in needs:
        applying = [target for target in targets if _applies(need, target, extras)]
        found = _finding(need, inside, inspected) if applying else None
        if found is not None and (found.where, found.message) not in seen:
            seen.add((found.where, found.message))
            yield found if len(applying) == len(targets) else _for_some(found, applying)


def _for_another_python(inside: dict[str, _Distribution], python: str) -> Iterator[Finding]:
    for each in inside.values():
        with suppress(PackageError):
            if python and not dependencies.allowed(each.python, python):
                message = f"requires Python {each.python}, but the archive is for {python}"
                yield Finding("error", "requirements", each.where, message)


def _affordable(needs: Iterator[_Need]) -> Iterator[_Need]:
    """The first requirements, up to a number and a length that can be judged in seconds."""
    length = 0
    for need in islice(needs, _MANY):
        length += len(str(need.requirement))
        if length > _LONG_ALL:
            return
        yield need


def _for_some(found: Finding, applying: list[BuildTarget]) -> Finding:
    """A finding for only some of the targets that the archive may be for."""
    pythons, machines = {each.python for each in applying}, {each.arch for each in applying}
    where = f"Python {', '.join(sorted(pythons))} on {', '.join(sorted(machines))}"
    return Finding("warning", found.check, found.where, f"{found.message}; this is so for {where}")


def _extras(needs: list[_Need], targets: list[BuildTarget]) -> dict[str, set[str]]:
    """The extras that are asked for of each distribution."""
    extras: dict[str, set[str]] = {}
    with_extras = [need for need in needs if need.requirement.extras][:_MANY_EXTRAS]
    for _ in range(_DEPTH):
        before = sum(map(len, extras.values()))
        for need in with_extras:
            if any(_applies(need, target, extras) for target in targets):
                extras.setdefault(need.name, set()).update(map(canonicalize_name, need.requirement.extras))
        if before == sum(map(len, extras.values())):
            break
    return extras


def _finding(need: _Need, inside: dict[str, _Distribution], inspected: Inspected) -> Finding | None:
    name = need.name
    if name not in inside:
        if need.is_listed and _has_module(name, inspected):
            return None
        verb = "lists" if need.is_listed else "requires"
        message = f"{verb} {need.requirement.name}, which is not in the archive; "
        if name in _IN_RUNTIME and not inspected.runtime.startswith("provided"):
            return Finding("warning", "requirements", need.where, f"{message}AWS's Python runtimes have some version")
        return Finding("error", "requirements", need.where, f"{message}Lambda installs nothing")
    version = inside[name].version
    with suppress(ValueError):
        if version and not need.requirement.specifier.contains(version, prereleases=True):
            message = f"requires {need.requirement.name}{need.requirement.specifier}, but the archive has {version}"
            return Finding("warning", "requirements", need.where, message)
    return None


def _has_module(name: str, inspected: Inspected) -> bool:
    """Whether there is a module of a distribution's name; some tools remove the metadata to save space."""
    module = name.replace("-", "_")
    return any((inspected.modules / each).exists() for each in (module, f"{module}.py"))


def _applies(need: _Need, target: BuildTarget, extras: dict[str, set[str]]) -> bool:
    marker = need.requirement.marker
    if marker is None:
        return True
    with suppress(*_INVALID):
        asked = ("", *extras.get(need.of, set()).intersection(_QUOTED.findall(str(marker))))
        return any(marker.evaluate({**target.markers(), "extra": extra}) for extra in asked)
    return False


def _installed(root: Path) -> dict[str, _Distribution]:
    """The distributions in the archive, by their normalised names."""
    found: dict[str, _Distribution] = {}
    packages = {file.parent for file in root.rglob("__init__.py")}
    for info in sorted(chain(root.rglob("*.dist-info"), root.rglob("*.egg-info"))):
        # A folder in a package is that package's own: setuptools brings packages that it alone imports.
        if packages.isdisjoint(info.parents):
            name, version = _name_and_version(info)
            found[name] = _distribution(info, info.relative_to(root).as_posix(), version)
    return found


def _name_and_version(info: Path) -> tuple[str, str]:
    name, version, *_ = *info.stem.split("-"), ""
    return canonicalize_name(name), version


def _distribution(info: Path, where: str, version: str) -> _Distribution:
    metadata = info / "METADATA"
    head = source.text(metadata).replace("\r\n", "\n").partition("\n\n")[0] if metadata.is_file() else ""
    fields = [(field.lower(), value) for field, value in _FIELD.findall(head) if len(value) < _LONG]
    pythons = [value for field, value in fields if field == "requires-python"]
    requires = (value for field, value in fields if field == "requires-dist")
    return _Distribution(where, version, tuple(requires), pythons[0] if pythons else "")


def _needs(distribution: _Distribution) -> Iterator[_Need]:
    for text in distribution.requires:
        with suppress(*_INVALID):
            yield _Need(distribution.where, Requirement(text), is_listed=False)


def _listed(inspected: Inspected) -> Iterator[_Need]:
    """The lines of a requirements file that name a distribution; not options, paths and addresses."""
    for file in (inspected.root / "requirements.txt", inspected.modules / "requirements.txt"):
        if file.is_file():
            for name, text in _files(file, inspected.root):
                for line in text.splitlines():
                    with suppress(*_INVALID):
                        yield _Need(name, Requirement(_AFTER_REQUIREMENT.sub("", line[:_LONG])), is_listed=True)
            return


def _files(file: Path, root: Path) -> Iterator[tuple[str, str]]:
    """The name and text of a requirements file, and of those in the archive that it includes."""
    left = [file]
    seen: set[Path] = set()
    while left and len(seen) < _DEPTH:
        path = left.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        text = source.text(path)
        yield path.relative_to(root).as_posix(), text
        included = islice(dependencies.included(text), _DEPTH)
        left += [
            place
            for place in (Path(os.path.normpath(path.parent / each)) for each in included)
            if place.is_relative_to(root)
        ]
