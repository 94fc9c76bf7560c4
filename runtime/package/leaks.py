"""Finds in a function's source what should not leave this machine: private keys, passwords, its own paths."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

#: Files that an installer writes for itself: some name this machine. RECORD stays: `dispatch build check` reads it.
INSTALLERS = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
#: Links of editable installations to folders of this machine; Lambda does not follow them.
_EDITABLE = ("__editable__*.pth", "*.egg-link", "__editable___*_finder.py")
#: Names of files with settings that are not meant for others.
_NAMES = ("*.env", "env.*.json", "credentials", "credentials.json", "secrets.*", "terraform.tfvars", "*.p12", "*.pfx")
#: A private key in PEM (RFC 7468, OpenSSH, PuTTY); the keys of an AWS account, and of others that have a known form.
_CONTENTS = {
    "a private key": re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----|PuTTY-User-Key-File-\d"),
    "an AWS access key": re.compile(rb"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b|aws_secret_access_key\s*=\s*\S"),
    "a password in an address": re.compile(rb"\b[a-z]+://[^\s/:@'\"{}$]*:[^\s/:@'\"{}$]+@[\w.-]"),
    "a token": re.compile(rb"\bgh[pousr]_[A-Za-z0-9]{36}\b|\bxox[abpr]-[A-Za-z0-9-]{20}|\bsk_live_[A-Za-z0-9]{20}"),
}
#: Bytes of each file that are looked at, and how many files a note names.
_LOOKED_AT, _SHOWN = 256 * 1024, 5


def is_of_this_machine(path: Path) -> bool:
    """Whether a file has no meaning on another machine, so that it is left out."""
    if any(fnmatchcase(path.name, pattern) for pattern in _EDITABLE):
        return True
    return path.name in INSTALLERS and path.parent.suffix == ".dist-info"


def notes(folder: Path) -> list[str]:
    """Messages for the user about files in a folder that look like secrets."""
    found: dict[str, list[str]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        kind = _kind(path)
        if kind:
            found.setdefault(kind, []).append(path.relative_to(folder).as_posix())
    return [
        f"the archive has what looks like {kind}: {_listed(names)}; keep it out of the source"
        for kind, names in found.items()
    ]


def _kind(path: Path) -> str:
    if any(fnmatchcase(path.name.lower(), pattern) for pattern in _NAMES):
        return "settings that are secret"
    with path.open("rb") as file:
        content = file.read(_LOOKED_AT)
    return next((kind for kind, pattern in _CONTENTS.items() if pattern.search(content)), "")


def _listed(names: Iterable[str]) -> str:
    first = [*names]
    more = f" and {len(first) - _SHOWN} more" if len(first) > _SHOWN else ""
    return ", ".join(first[:_SHOWN]) + more
