"""Lists the built-in conventions and the installed plugins, and parses `HANDLER_PLUGINS`; loads no plugin.

`importlib.metadata` costs tens of milliseconds of a cold start, so this reads each distribution's `entry_points.txt`
itself, or a plan, which `dispatch.plan` has written: it also says what each plugin adds, so that a start imports only
the plugins that it needs.
"""

from __future__ import annotations

import os
import sys
from _imp import source_hash
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

#: The hook that adds conventions, the only one of most plugins.
CONVENTIONS_HOOK = "dispatch_conventions"

#: The plan in a folder of an archive, and the first line of every plan: the format, and the Python that wrote it.
PLAN = "dispatch-plugins.txt"
PLAN_HEAD = f"plan 1, Python {sys.version_info[0]}.{sys.version_info[1]}"

#: The last line of every plan; one without it is incomplete.
PLAN_END = "end"

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
        hooks, conventions: the names of the hooks and conventions that it has, once it is loaded or from a plan.
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


#: The plugins that distributions declare, by `NAME-VERSION` as in the names of their `.dist-info` folders.
Found = dict[str, list[Source]]


def installed(paths: Iterable[str]) -> list[Source]:
    """The plugins that the distributions in these folders declare; the first of several with the same name counts."""
    return plugins(found(paths))


def found(paths: Iterable[str]) -> Found:
    """The distributions in these folders, without any that an earlier one of the same name hides."""
    return merged(map(_in_folder, paths))


def merged(several: Iterable[Found]) -> Found:
    """All of these distributions, without any that an earlier one of the same name hides."""
    names: set[str] = set()
    first: Found = {}
    for one in several:
        for distribution, sources in one.items():
            name = distribution.partition("-")[0]
            if name not in names:
                names.add(name)
                first[distribution] = sources
    return first


def plugins(distributions: Found) -> list[Source]:
    """The plugins of these distributions."""
    return [source for sources in distributions.values() for source in sources]


def distributions(path: str) -> list[str]:
    """The names of the folders that describe the distributions in a folder."""
    try:
        with os.scandir(path or os.curdir) as entries:
            return sorted(entry.name for entry in entries if entry.name.endswith((".dist-info", ".egg-info")))
    except OSError:
        return []


def _in_folder(path: str) -> Found:
    folders = distributions(path)
    if not folders:
        return {}
    # It may know only some of them, because Lambda unpacks all layers into one folder.
    planned = read_plan(os.path.join(path, PLAN)) or {}
    here: Found = {}
    for folder in folders:
        distribution = folder.rpartition(".")[0]
        if distribution in planned:
            here[distribution] = planned[distribution]
        else:
            declared = _declared(os.path.join(path, folder))
            here[distribution] = [_source(distribution, name, reference) for name, reference in declared]
    return here


def _source(distribution: str, name: str, reference: str, hooks: str = "", conventions: str = "") -> Source:
    title, _, version = distribution.partition("-")
    source = Source(name, reference, title.replace("_", "-"), version)
    source.hooks, source.conventions = hooks.split(), conventions.split()
    return source


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


def read_plan(file: str, owner: int | None = None) -> Found | None:
    """The distributions in a plan; None if there is none, or a folder or a module that it names has changed.

    Args:
        file: the plan.
        owner: the user who must have written it, because it says what to import; None for any.
    """
    planned: Found = {}
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as opened:
            head, *lines, end = opened.read().split("\n")[:-1]
            strange = owner is not None and os.fstat(opened.fileno()).st_uid != owner
        if (head, end) != (PLAN_HEAD, PLAN_END) or strange:
            return None
        for kind, subject, *facts in (line.split("\t") for line in lines):
            if kind == "unchanged":
                if [stamp(subject)] != facts:
                    return None
            else:
                planned.setdefault(subject, []).extend([_source(subject, *facts)] if facts else [])
    except (OSError, ValueError, TypeError):  # TypeError: too many or too few fields
        return None
    return planned


def stamp(path: str) -> str:
    """What changes with a file, and with a folder if a file is added or removed; "-" if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return "-"
    return f"{status.st_mtime_ns} {status.st_ctime_ns}"


def kept_plan(paths: Iterable[str]) -> str:
    """The file that keeps the plan of these folders in the user's cache folder; empty if the user has none."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ.get("HOME", ""), ".cache")
    if not os.path.isabs(home):
        return ""
    key = source_hash(0, os.fsencode("\n".join(paths))).hex()
    return os.path.join(home, DISTRIBUTION, "plans", f"{key}.txt")


def needed(sources: list[Source], convention: str) -> list[Source]:
    """The plugins that a start with this convention has to load: all of them, unless a plan says that less will do."""
    observing = [source for source in sources if source.hooks != [CONVENTIONS_HOOK]]
    if convention == AUTO:
        return observing and sources  # one may claim the handler string for the convention of another
    wanted = [source for source in sources if source in observing or convention in source.conventions]
    return wanted if convention in BUILT_IN or any(convention in one.conventions for one in wanted) else sources


def requested(setting: str) -> tuple[list[str], list[str]]:
    """The modules that `HANDLER_PLUGINS` requests, and the names that it blocks."""
    names = setting.replace(",", " ").split()
    return [name for name in names if not name.startswith("-")], [name[1:] for name in names if name.startswith("-")]


def _plain(distribution: str) -> str:
    """A distribution's name in the form for comparison (packaging.python.org, "Names and normalization")."""
    return "-".join(filter(None, distribution.lower().replace("_", "-").replace(".", "-").split("-")))
