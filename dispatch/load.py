"""Turns a handler string and a convention's name into a Function: the composition root of this package."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from dispatch import discovery, locate, shadowing, variables
from dispatch.asynchrony import plain
from dispatch.discovery import AUTO
from dispatch.errors import UnknownConvention
from dispatch.function import Function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dispatch.locate import Target
    from dispatch.plugins import Plugins
    from dispatch.types import Convention, Handler


__all__ = ["load"]

#: Python's own folders, in which nothing is installed; the one of its compiled modules, beside them.
_OF_PYTHON = (shadowing.LIBRARY, os.path.join(shadowing.LIBRARY, "lib-dynload"))


class Choice:
    """The convention chosen for a handler string, before any user code has run.

    Attributes:
        root: the task root.
        target: what the handler string names.
        name: the convention's name.
        convention: the convention.
        claims: the result of each plugin's `dispatch_locate`, with the plugin's name, up to the first Target.
        chosen_by: why `auto` chose the convention, as a clause; empty if the convention was requested by name.
    """

    __slots__ = ("_plugins", "chosen_by", "claims", "convention", "name", "root", "target")

    def __init__(
        self,
        *,
        root: str,
        target: Target,
        name: str,
        convention: Convention,
        claims: list[tuple[str, Target | None]],
        chosen_by: str,
        plugins: Plugins | None,
    ) -> None:
        self.root = root
        self.target = target
        self.name = name
        self.convention = convention
        self.claims = claims
        self.chosen_by = chosen_by
        self._plugins = plugins

    def load(self) -> Function:
        """Fetch the user's object, which runs the user's module, and turn it into a handler."""
        shadowing.claim(self.root)
        if getattr(self.convention, "accepts_object", False):
            user_object = self.target.find()
            handler: Handler = self.convention(user_object)
        else:
            user_object = self.target.function()
            handler = self.convention(plain(user_object))
        return Function(handler, user_object, self.name, self.target, self._hook, chosen_by=self.chosen_by)

    def failed(self, error: BaseException) -> None:
        """Notify the plugins that the function cannot be loaded."""
        implemented = self._hook("init_error")
        if implemented:
            implemented(error=error)

    def _hook(self, name: str) -> Callable[..., None] | None:
        return self._plugins.hook(f"dispatch_{name}") if self._plugins else None


def load(spec: str, root: str, convention: str = AUTO, plugin_setting: str = "") -> Function:
    """Load the function that a handler string names, ready to be called.

    Puts the task root first on `sys.path` and gives it first claim on module names.

    Args:
        spec: the handler string.
        root: the task root.
        convention: a convention's name, or `auto`.
        plugin_setting: as in `HANDLER_PLUGINS`: modules to register, `-name` to block one.

    Raises:
        DispatchError: the function cannot be loaded. An exception that the user's module raises is passed on.
    """
    return choose(spec, root, convention, plugin_setting).load()


def choose(spec: str, root: str, convention: str = AUTO, plugin_setting: str = "") -> Choice:
    """Find out what a handler string names and which convention fits; runs no user code except the plugins'.

    Takes the same arguments as `load`.

    Raises:
        DispatchError: the handler string or the convention cannot be used.
    """
    import_module("conventions").get_ready()
    root = os.path.abspath(root)
    plugins = _plugins(root, convention, plugin_setting)
    if convention != AUTO:
        chosen = _convention(convention, plugins)
        target, claims = _target(spec, root, chosen, plugins)
        chosen_by = ""
    else:
        target, claims = _target(spec, root, None, plugins)
        if not target.convention:
            target.find()  # raises the reason
        convention = target.convention
        chosen = _convention(convention, plugins, target)
        claimed = next((name for name, claim in claims if claim is not None), None)
        chosen_by = target.reason if claimed is None else f"the plugin {claimed} claims the handler string"
    if plugins is None:  # only now, so that nothing of ours is looked for in the task root
        _put_first(root)
    return Choice(
        root=root,
        target=target,
        name=convention,
        convention=chosen,
        claims=claims,
        chosen_by=chosen_by,
        plugins=plugins,
    )


def _plugins(root: str, convention: str, setting: str) -> Plugins | None:
    """The plugins, some of which may be modules in the task root; None if there are none."""
    requested, blocked = discovery.requested(setting)
    # Like Python's own finders, pass over whatever is not text, such as a Path.
    paths = [os.path.abspath(folder) for folder in sys.path if isinstance(folder, str)]
    elsewhere = [folder for folder in paths if folder not in {root, *_OF_PYTHON}]
    file = discovery.kept_plan(elsewhere)
    planned = discovery.read_plan(file, os.geteuid())
    found = discovery.found(elsewhere) if planned is None else planned
    installed = discovery.plugins(discovery.merged([discovery.found([root]), found]))
    wanted = installed if requested or blocked else discovery.needed(installed, convention)
    if not (wanted or requested or blocked):
        return None
    for name in [convention] if convention in discovery.BUILT_IN else discovery.OF_ANY:
        import_module(discovery.BUILT_IN[name])
    from dispatch.plugins import load_plugins

    to_keep = bool(file) and planned is None and len(wanted) == len(installed)
    if to_keep:
        from dispatch.plan import keep
    _put_first(root)
    plugins = load_plugins(wanted, requested, blocked, traced=variables.traces_plugins())
    if to_keep and all(source.state == "ok" for source in installed):
        keep(file, root, elsewhere, found)
    return plugins


def _put_first(root: str) -> None:
    if root in sys.path:
        sys.path.remove(root)
    sys.path.insert(0, root)


def _target(
    spec: str, root: str, convention: Convention | None, plugins: Plugins | None
) -> tuple[Target, list[tuple[str, Target | None]]]:
    """The target of the handler string, and the plugins' claims on it; a convention may have its own `locate`."""
    claims: list[tuple[str, Target | None]] = []
    for name, claim in plugins.locate(spec, root) if plugins else ():
        claims.append((name, claim))
        if claim is not None:
            return claim, claims
    own: Any = getattr(convention, "locate", None)
    return (own and own(spec, root)) or locate.locate(spec, root), claims


def _convention(name: str, plugins: Plugins | None, target: Target | None = None) -> Convention:
    if plugins is not None:
        offered = plugins.convention(name)
        if offered is not None:
            return offered
    elif name in discovery.BUILT_IN:
        return discovery.built_in(name)
    known = ", ".join([*(plugins.known() if plugins else sorted(discovery.BUILT_IN)), AUTO])
    left_out = "".join(f"; left out: {source}, {source.state}" for source in (plugins.broken() if plugins else ()))
    wanted = f" for {target.description}" if target else ""
    raise UnknownConvention(f"no convention {name!r}{wanted}; available: {known}{left_out}")
