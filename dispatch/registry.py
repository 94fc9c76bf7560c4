"""The hooks in pluggy, which validates and orders them; needed only for hooks besides `dispatch_conventions`."""

from __future__ import annotations

import warnings
from functools import partial

from dispatch import hookspecs
from dispatch.cold_start import import_without
from dispatch.discovery import GROUP
from dispatch.error_reports import warn
from dispatch.errors import PluginError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    import pluggy

    from dispatch.discovery import Source
else:
    pluggy = import_without("inspect", "pluggy")

#: Flags of code that does not run when it is called; the module `inspect` lists them.
GENERATOR, ASYNC = 0x20, 0x80 | 0x200


class Registry(pluggy.PluginManager):
    """A plugin manager that has the hooks' specifications."""

    def __init__(self) -> None:
        super().__init__(GROUP)
        self.add_hookspecs(hookspecs)
        self._known = sorted(name for name in vars(self.hook) if name.startswith("dispatch_"))

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        """Recognize implementations by their prefix, without a decorator."""
        if name.startswith("__"):  # object's own, for which pluggy would need milliseconds of a cold start
            return None
        options = super().parse_hookimpl_opts(plugin, name)
        return {} if options is None and _is_hook(plugin, name) else options

    def add(self, plugin: Any, source: Source) -> list[str]:
        """Register all of a plugin's hooks, or none; returns their names. Raises what is wrong with them."""
        found = ((name, self.parse_hookimpl_opts(plugin, name)) for name in dir(plugin))
        hooks = {name: options.get("specname") or name for name, options in found if options is not None}
        known = ", ".join(self._known)
        if not hooks and not source.distribution:
            warn(f"the plugin {source} has no hooks; known hooks: {known}")
        for function, hook in hooks.items():
            if hook not in self._known:
                raise PluginError(f"unknown hook {hook!r}; known hooks: {known}")
            _check(plugin, function)
        try:
            with warnings.catch_warnings():
                # pluggy warns of deprecated hooks, and Python's filters would hide that, or leave the plugin out.
                warnings.simplefilter("ignore")
                self.register(plugin, f"{source.name}:{id(plugin)}")
        except Exception:
            # pluggy up to 1.6 leaves a plugin that fails validation half registered.
            if self.is_registered(plugin):
                self.unregister(plugin)
            raise
        for notice in self._deprecations(plugin):
            warn(f"the plugin {source} {notice}")
        return [*hooks.values()]

    def _deprecations(self, plugin: Any) -> Iterator[str]:
        """What the plugin uses although its specification has `warn_on_impl` or `warn_on_impl_args`, as predicates."""
        for hook in self.get_hookcallers(plugin) or ():
            if hook.spec and hook.spec.warn_on_impl:
                yield f"implements {hook.name}, which is deprecated: {hook.spec.warn_on_impl}"
            own = [one for one in hook.get_hookimpls() if one.plugin is plugin]
            for name, message in ((hook.spec and hook.spec.warn_on_impl_args) or {}).items():
                if any(name in (*one.argnames, *one.kwargnames) for one in own):
                    yield f"takes the argument {name!r} of {hook.name}, which is deprecated: {message}"

    def implementations(self, hook: str) -> list[Any]:
        """The implementations of a hook, in the order in which they are called."""
        return [*reversed(getattr(self.hook, hook).get_hookimpls())]


def _is_hook(plugin: object, name: str) -> bool:
    """Whether the plugin implements a hook by a function of this name, without pluggy's decorator."""
    return name.startswith("dispatch_") and callable(getattr(plugin, name, None))


def _check(plugin: Any, name: str) -> None:
    """Raise PluginError for an implementation of a hook that would never run."""
    function = getattr(plugin, name)
    options = getattr(function, f"{GROUP}_impl", {})
    if options.get("wrapper") or options.get("hookwrapper"):
        raise PluginError(f"{name} is a wrapper, but hooks only observe; a convention can change answers")
    while isinstance(function, partial):
        function = function.func
    flags = getattr(getattr(getattr(function, "__func__", function), "__code__", None), "co_flags", 0)
    if flags & ASYNC:
        raise PluginError(f"{name} is an async def, but hooks are called as plain functions")
    if flags & GENERATOR:
        raise PluginError(f"{name} has a yield, but hooks are called as plain functions")
