"""Checks that what an archive's libraries and its requirements.txt require is in the archive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_string
from itertools import chain, islice, product
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from runtime.package import source
from runtime.package.inspected import Finding, Inspected
from runtime.package.target import MACHINES, PYTHONS, BuildTarget

#: The rest of a line after its requirement: a comment, options such as --hash, a backslash.
_AFTER_REQUIREMENT = re.compile(r"(^|\s)(#|--).*|\\\s*$")
#: What AWS's Python runtimes have (docs.aws.amazon.com/lambda/latest/dg/lambda-python.html).
_IN_RUNTIME = frozenset({"boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3"})
#: More requirements than any archive has.
_MANY, _MANY_EXTRAS, _DEPTH = 5000, 200, 10


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
    requires: tuple[str, ...]


def missing_requirements(inspected: Inspected) -> Iterator[Finding]:
    """A requirement of requirements.txt, or of a library, that is not in the archive for the archive's Python."""
    inside = _installed(inspected.root)
    targets = [
        BuildTarget(python, arch)
        for python, arch in product(
            [inspected.python] if inspected.python in PYTHONS else PYTHONS,
            [inspected.arch] if inspected.arch else MACHINES,
        )
    ]
    needs = [*islice(chain(_listed(inspected), *map(_needs, inside.values())), _MANY)]
    extras = _extras(needs, targets)
    seen = set()
    for need in needs:
        applying = [target for target in targets if _applies(need, target, extras)]
        found = _finding(need, inside, inspected) if applying else None
        if found is not None and (found.where, found.message) not in seen:
            seen.add((found.where, found.message))
            yield found if len(applying) == len(targets) else _for_some(found, applying)


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
                extras.setdefault(need.name, set()).update(need.requirement.extras)
        if before == sum(map(len, extras.values())):
            break
    return extras


def _finding(need: _Need, inside: dict[str, _Distribution], inspected: Inspected) -> Finding | None:
    name = need.name
    if name not in inside:
        verb = "lists" if need.is_listed else "requires"
        message = f"{verb} {need.requirement.name}, which is not in the archive; Lambda installs nothing"
        is_there = name in _IN_RUNTIME and not inspected.runtime.startswith("provided") and not need.is_listed
        return Finding("warning" if is_there else "error", "requirements", need.where, message)
    version = inside[name].version
    with suppress(ValueError):
        if version and not need.requirement.specifier.contains(version, prereleases=True):
            message = f"requires {need.requirement.name}{need.requirement.specifier}, but the archive has {version}"
            return Finding("warning", "requirements", need.where, message)
    return None


def _applies(need: _Need, target: BuildTarget, extras: dict[str, set[str]]) -> bool:
    marker = need.requirement.marker
    if marker is None:
        return True
    with suppress(ValueError, RecursionError):
        asked = ("", *extras.get(need.of, ()))
        return any(marker.evaluate({**target.markers(), "extra": extra}) for extra in asked)
    return False


def _installed(root: Path) -> dict[str, _Distribution]:
    """The distributions in the archive, by their normalised names."""
    found: dict[str, _Distribution] = {}
    for info in sorted(root.rglob("*.dist-info")):
        name, _, version = info.name.removesuffix(".dist-info").partition("-")
        metadata = info / "METADATA"
        message = message_from_string(source.text(metadata).partition("\n\n")[0] if metadata.is_file() else "")
        requires = tuple(map(str, message.get_all("Requires-Dist", [])))
        found[canonicalize_name(name)] = _Distribution(info.relative_to(root).as_posix(), version, requires)
    return found


def _needs(distribution: _Distribution) -> Iterator[_Need]:
    for text in distribution.requires:
        with suppress(ValueError, RecursionError):
            yield _Need(distribution.where, Requirement(text), is_listed=False)


def _listed(inspected: Inspected) -> Iterator[_Need]:
    """The lines of a requirements file that name a distribution; not options, paths and addresses."""
    for file in (inspected.root / "requirements.txt", inspected.modules / "requirements.txt"):
        if file.is_file():
            for line in source.text(file).splitlines():
                with suppress(ValueError, RecursionError):
                    yield _Need(file.name, Requirement(_AFTER_REQUIREMENT.sub("", line)), is_listed=True)
            return
