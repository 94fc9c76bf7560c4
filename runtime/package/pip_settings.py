"""Passes the user's settings for package indexes to uv: its own, and those of pip, which uv does not read.

pip's settings are in its files (pip.pypa.io/en/stable/topics/configuration) and in variables; a variable wins. uv's are
in its files, which it reads itself, and in variables (docs.astral.sh/uv/reference/environment).
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

#: The sections of pip's files that apply to an installation; a later one wins.
_SECTIONS = ("global", "install")
#: pip's settings that uv has as well, with uv's variable and what is between two of its values.
_SAME = {
    "index-url": ("UV_DEFAULT_INDEX", ""),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "constraint": ("UV_CONSTRAINT", " "),
    "default-timeout": ("UV_HTTP_TIMEOUT", ""),
    "timeout": ("UV_HTTP_TIMEOUT", ""),
    "cert": ("SSL_CERT_FILE", ""),
    "client-cert": ("SSL_CLIENT_CERT", ""),
    "proxy": ("ALL_PROXY", ""),
}
#: uv's variables that a build keeps: where packages come from, and which. The others name interpreters, environments
#: and projects, or change how files are installed, which a build decides itself.
_KEPT = (
    "UV_CACHE_DIR", "UV_CONCURRENT_", "UV_CONFIG_FILE", "UV_CONSTRAINT", "UV_DEFAULT_INDEX", "UV_EXCLUDE_NEWER",
    "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_GITHUB_TOKEN", "UV_HTTP_", "UV_INDEX", "UV_INSECURE_HOST",
    "UV_KEYRING_PROVIDER", "UV_NATIVE_TLS", "UV_NO_CACHE", "UV_NO_CONFIG", "UV_OFFLINE", "UV_OVERRIDE",
    "UV_PRERELEASE", "UV_REQUEST_TIMEOUT", "UV_RESOLUTION", "UV_SYSTEM_CERTS", "UV_TORCH_BACKEND",
)  # fmt: skip
_FALSE = ("", "0", "false", "no", "off", "n", "f")


def for_uv(variables: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The variables and the options to run uv with.

    Args:
        variables: the user's; those that would change where or how uv installs are left out.
    """
    kept = {name: value for name, value in variables.items() if not name.startswith("UV_") or name.startswith(_KEPT)}
    for foreign in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        kept.pop(foreign, None)
    settings = _of_pip(variables)
    # pip takes the best version of all indexes, and requirements files are written for that.
    usual = {"UV_INDEX_STRATEGY": "unsafe-best-match", **_translated(settings)}
    fixed = {"UV_PYTHON_DOWNLOADS": "never", "UV_LINK_MODE": "copy"}
    # uv would take a wheel from its cache although the one in a local folder has been replaced.
    refresh = [] if kept.get("UV_OFFLINE") else ["--refresh"]
    return {**usual, **kept, **fixed}, [*refresh, *(["--no-index"] if _is_on(settings, "no-index") else [])]


def _of_pip(variables: Mapping[str, str]) -> dict[str, str]:
    """The settings of pip, as its files name them."""
    settings = {}
    for file in _files(variables):
        settings.update(_in_file(file))
    settings.update(
        {name[4:].lower().replace("_", "-"): value for name, value in variables.items() if name.startswith("PIP_")}
    )
    return settings


def _is_on(settings: Mapping[str, str], name: str) -> bool:
    return settings.get(name, "").strip().lower() not in _FALSE


def _translated(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings of pip as variables of uv."""
    found = {}
    for name, (variable, separator) in _SAME.items():
        values = settings.get(name, "").split()
        if name == "find-links":
            values = [os.path.abspath(value) if os.path.exists(value) else value for value in values]
        if values:
            found[variable] = separator.join(values if separator else values[-1:])
    if _is_on(settings, "pre"):
        found["UV_PRERELEASE"] = "allow"
    return found


def _files(variables: Mapping[str, str]) -> Iterator[Path]:
    """The files of pip's settings, the least important first."""
    named = variables.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return
    home = Path(variables.get("HOME") or Path.home())
    for folder in reversed(variables.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")):
        yield Path(folder, "pip/pip.conf")
    yield Path("/etc/pip.conf")
    if sys.platform == "darwin":
        yield Path("/Library/Application Support/pip/pip.conf")
        yield home / "Library/Application Support/pip/pip.conf"
    yield home / ".pip/pip.conf"
    yield Path(variables.get("XDG_CONFIG_HOME") or home / ".config", "pip/pip.conf")
    yield Path(sys.prefix, "pip.conf")
    if named:
        yield Path(named)


def _in_file(file: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(file, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError):
        return {}  # pip reports it
    found: dict[str, str] = {}
    for section in _SECTIONS:
        if parser.has_section(section):
            found.update({name.replace("_", "-"): value for name, value in parser.items(section)})
    return found
