"""Lists the built-in conventions and the installed plugins, and parses `HANDLER_PLUGINS`; loads no plugin.

`importlib.metadata` costs tens of milliseconds of a cold start, so this reads each distribution's `entry_points.txt`
itself.
"""

from __future__ import annotations

import os
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dispatch.types import Convention

#: The entry-point group.
GROUP = "dispatch"

#: The name of this project's distribution.
DISTRIBUTION = "handler-dispatch"

#: The built-in conventions, and the plugin module of each.
BUILT_IN = {
    "standard": "conventions.standard",
    "script": "conventions.script",
    "expression": "conventions.expression",
    "json": "conventions.json",
    "lambda": "conventions.lambda_",
    "stream": "conventions.stream",
    "process": "conventions.process",
    "coprocess": "conventions.coprocess",
    "shell": "conventions.shell",
    "asgi": "conventions.asgi",
    "wsgi": "conventions.wsgi",
    "cloudevent": "conventions.cloudevent",
    "records": "conventions.records",
    "functions-framework": "conventions.ports.functions_framework",
    "knative": "conventions.ports.knative",
    "azure": "conventions.ports.azure",
    "openfaas": "conventions.ports.openfaas",
    "openwhisk": "conventions.ports.openwhisk",
    "digitalocean": "conventions.ports.digitalocean",
    "nuclio": "conventions.ports.nuclio",
    "fn": "conventions.ports.fn",
    "agentcore": "conventions.ports.agentcore",
    "vercel": "conventions.ports.vercel",
    "alibaba": "conventions.ports.alibaba",
    "scaleway": "conventions.ports.scaleway",
    "tencent": "conventions.ports.tencent",
    "yandex": "conventions.ports.yandex",
}

#: Lets the handler string decide, and the convention for each kind of thing that it may name.
AUTO = "auto"
OF_A_FUNCTION = "standard"
OF_A_SCRIPT = "script"
OF_A_PROGRAM = "process"
OF_A_SHELL_FUNCTION = "shell"
OF_SOURCE = "expression"
OF_ANY = (OF_A_FUNCTION, OF_A_SCRIPT, OF_A_PROGRAM, OF_A_SHELL_FUNCTION, OF_SOURCE)

#: The convention of AWS's managed Python runtime.
AS_ON_LAMBDA = "lambda"


def built_in(name: str) -> Convention:
    """The built-in convention of that name."""
    convention: Convention = import_module(BUILT_IN[name]).dispatch_conventions()[name]
    return convention


class Source:
    """Where a plugin comes from, and whether it could be loaded.

    Attributes:
        name: the entry point's name, or the module's.
        reference: `module` or `module:attribute`.
        distribution, version: what installed it; empty for a module that `HANDLER_PLUGINS` names.
        state: `ok`, `blocked`, or `broken: ` and the reason.
        import_time: how long its import took, in seconds; None if it was not imported, as with the built-in ones.
        hooks, conventions: the names of the hooks and conventions that it has, once it is loaded.
    """

    __slots__ = ("conventions", "distribution", "hooks", "import_time", "name", "reference", "state", "version")

    def __init__(self, name: str, reference: str, distribution: str = "", version: str = "") -> None:
        self.name = name
        self.reference = reference
        self.distribution = distribution
        self.version = version
        self.state = "ok"
        self.import_time: float | None = None
        self.hooks: list[str] = []
        self.conventions: list[str] = []

    def answers_to(self, name: str) -> bool:
        """Whether `-name` means this plugin."""
        names = {self.name, self.reference, self.reference.partition(":")[0]}
        return name in names or (bool(self.distribution) and _plain(name) == _plain(self.distribution))

    def __str__(self) -> str:
        origin = f"{self.distribution} {self.version}".rstrip() if self.distribution else self.reference
        return f"{self.name} ({origin})"


def installed(paths: Iterable[str]) -> list[Source]:
    """The plugins that the distributions in these folders declare; the first of several with the same name counts."""
    found: dict[str, list[Source]] = {}
    for path in paths:
        try:
            with os.scandir(path or os.curdir) as entries:
                folders = sorted(entry.path for entry in entries if entry.name.endswith((".dist-info", ".egg-info")))
        except OSError:
            continue
        for folder in folders:
            name, _, version = os.path.basename(folder).rpartition(".")[0].partition("-")
            if name not in found:
                found[name] = [
                    Source(key, reference, name.replace("_", "-"), version) for key, reference in _declared(folder)
                ]
    return [source for sources in found.values() for source in sources]


def _declared(folder: str) -> Iterator[tuple[str, str]]:
    """The entry points that a distribution declares in our group, as pairs of name and reference."""
    try:
        with open(os.path.join(folder, "entry_points.txt"), encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[] ")
        elif section == GROUP and "=" in line and not line.startswith("#"):
            name, _, reference = line.partition("=")
            yield name.strip(), reference.partition("[")[0].strip().replace(" ", "")


def requested(setting: str) -> tuple[list[str], list[str]]:
    """The modules that `HANDLER_PLUGINS` requests, and the names that it blocks."""
    names = setting.replace(",", " ").split()
    return [name for name in names if not name.startswith("-")], [name[1:] for name in names if name.startswith("-")]


def _plain(distribution: str) -> str:
    """A distribution's name in the form for comparison (packaging.python.org, "Names and normalization")."""
    return "-".join(filter(None, distribution.lower().replace("_", "-").replace(".", "-").split("-")))
