"""Loads plugins, leaves out broken ones, and calls the hooks of the rest.

pluggy is the registry: it validates implementations and puts them in order. They are called here, one at a time and
each guarded, because a plugin that fails must not take the function down with it. Importing pluggy costs a third of a
cold start, so it is imported only for a plugin that has other hooks than `dispatch_conventions`, whose results need no
order.
"""

from __future__ import annotations

import sys
from importlib import import_module
from time import perf_counter
from types import CodeType

from dispatch.discovery import BUILT_IN, CONVENTIONS_HOOK, DISTRIBUTION, Source, built_in
from dispatch.error_reports import warn
from dispatch.errors import PluginError, Terminated
from dispatch.exceptions import titled
from dispatch.locate import Target
from dispatch.modules import listing
from dispatch.shadowing import ORIGINAL_PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from dispatch.registry import Registry
    from dispatch.types import Convention

#: The result of a hook that has raised.
_FAILED = object()


#: Flags of code that takes `*arguments` or `**arguments`, or that does not run when it is called.
_UNUSUAL = 0x4 | 0x8 | 0x20 | 0x80 | 0x200


def load_plugins(
    sources: Iterable[Source],
    requested: Iterable[str] = (),
    blocked: Iterable[str] = (),
    *,
    traced: bool = False,
) -> Plugins:
    """Load all plugins, the built-in ones first.

    Args:
        sources: the installed plugins.
        requested: the modules that `HANDLER_PLUGINS` names.
        blocked: the names that `HANDLER_PLUGINS` blocks.
        traced: whether each call of a hook is logged with its time.

    Raises:
        PluginError: a requested plugin cannot be loaded.
    """
    built_in_ones = [Source(name, reference, DISTRIBUTION) for name, reference in BUILT_IN.items()]
    every_source = [*built_in_ones, *sources, *(Source(name, name) for name in requested)]
    plugins = Plugins(every_source, _tracing() if traced else None)
    for source in [*plugins.sources]:
        plugins.load(source, blocked=any(source.answers_to(name) for name in blocked))
    for name in sorted(set(blocked)):
        if not any(source.answers_to(name) for source in plugins.sources):
            available = ", ".join(source.name for source in plugins.sources)
            warn(f"HANDLER_PLUGINS blocks {name!r}, but there is no such plugin; available: {available}")
    for source in plugins.broken():
        if source.reference in requested:
            raise PluginError(f"HANDLER_PLUGINS asks for {source.reference}, which is {source.state}")
    return plugins


def _tracing() -> Callable[[Any, str], Any]:
    from dispatch.plugin_trace import Traced

    return lambda implementation, hook: Traced(implementation, hook, warn)


class Plugins:
    """The plugins, in one plugin manager.

    Attributes:
        sources: where each plugin comes from, and whether it could be loaded.
    """

    def __init__(self, sources: list[Source], trace: Callable[[Any, str], Any] | None = None) -> None:
        """Create it, without any plugin.

        Args:
            sources: the plugins that will be loaded.
            trace: turns an implementation of a hook into one that logs its calls.
        """
        self.sources = sources
        self._trace = trace
        self._registry: Registry | None = None
        self._loaded: list[Any] = []
        self._offers: dict[str, list[tuple[Source, Any]]] = {}

    def load(self, source: Source, *, blocked: bool) -> None:
        """Import a plugin and register it; `source.state` is the outcome."""
        if blocked:
            source.state = "blocked"
            return
        try:
            # The module of a built-in convention is imported only if the convention is requested.
            plugin = source.reference if _is_built_in(source) else _imported(source)
            if plugin in self._loaded:  # both installed and requested
                self.sources.remove(source)
                return
            offers = self._register(plugin, source)
        except BaseException as error:
            if type(error) is Terminated:
                raise
            reason = titled(error)
            source.state = f"broken: {reason}"
            warn(f"left out the plugin {source}: {reason}")
            return
        self._loaded.append(plugin)
        source.conventions = sorted(offers)
        for name, convention in offers.items():
            self._offers.setdefault(name, []).append((source, convention))

    def _register(self, plugin: Any, source: Source) -> Mapping[str, Any]:
        """Register all of a plugin's hooks, or none; returns its conventions."""
        source.hooks = [CONVENTIONS_HOOK]
        if _is_built_in(source):
            return {source.name: None}
        if self._trace is None and _adds_conventions_only(plugin):
            return _conventions([plugin.dispatch_conventions()])
        if self._registry is None:
            self._registry = _new_registry()
        source.hooks = self._registry.add(plugin, source)
        try:
            own = [one for one in self._implementations(CONVENTIONS_HOOK) if one.plugin is plugin]
            return _conventions([one.function() for one in own])
        except BaseException:
            self._registry.unregister(plugin)
            raise

    def known(self) -> list[str]:
        """The names of all conventions, sorted."""
        return sorted(self._offers)

    def broken(self) -> list[Source]:
        """The plugins that were left out because they failed."""
        return [source for source in self.sources if source.state.startswith("broken")]

    def convention(self, name: str) -> Convention | None:
        """The convention of that name. Raises PluginError if two plugins offer it."""
        offers = self._offers.get(name, [])
        if len(offers) > 1:
            who = " and ".join(str(source) for source, _ in offers)
            raise PluginError(
                f"several plugins offer the convention {name!r}: {who}; "
                f"HANDLER_PLUGINS=-{offers[-1][0].name} blocks one"
            )
        if not offers:
            return None
        source, convention = offers[0]
        return built_in(name) if _is_built_in(source) else convention

    def locate(self, spec: str, root: str) -> Iterator[tuple[str, Target | None]]:
        """The result of each plugin's `dispatch_locate` for a handler string, with the plugin's name, in order.

        One that fails is left out.
        """
        hook = "dispatch_locate"
        for implementation in self._implementations(hook):
            name = implementation.plugin_name.partition(":")[0]
            claim = _guarded(hook, implementation, {"spec": spec, "root": root})
            if claim is not _FAILED:
                yield name, _as_target(claim, name)

    def hook(self, name: str) -> Callable[..., None] | None:
        """A function that calls the hook in every plugin that has it; None if there is no such plugin."""
        implementations = self._implementations(name)
        if not implementations:
            return None

        def notify(**arguments: Any) -> None:
            for implementation in implementations:
                _guarded(name, implementation, arguments)

        return notify

    def _implementations(self, hook: str) -> list[Any]:
        """The implementations of a hook, in the order in which they are called."""
        found = self._registry.implementations(hook) if self._registry else []
        return [one if self._trace is None else self._trace(one, hook) for one in found]


def _new_registry() -> Registry:
    """A registry whose pluggy is the one that would have been imported before any plugin."""
    here = [*sys.path]
    sys.path[:] = ORIGINAL_PATH
    try:
        from dispatch.registry import Registry
    finally:
        sys.path[:] = here
    return Registry()


def _is_built_in(source: Source) -> bool:
    return source.reference in BUILT_IN.values()


def _adds_conventions_only(plugin: Any) -> bool:
    """Whether the plugin's only hook is a plain function without arguments, so that pluggy has nothing to validate."""
    if "pluggy" in sys.modules or [name for name in dir(plugin) if name.startswith("dispatch_")] != [CONVENTIONS_HOOK]:
        return False
    code = getattr(plugin.dispatch_conventions, "__code__", None)
    return isinstance(code, CodeType) and not (code.co_argcount or code.co_kwonlyargcount or code.co_flags & _UNUSUAL)


def _guarded(hook: str, implementation: Any, arguments: Mapping[str, Any]) -> Any:
    """Call one plugin's hook; if it raises, log that and return `_FAILED`."""
    try:
        return implementation.function(*[arguments[name] for name in implementation.argnames])
    except BaseException as error:
        if type(error) is Terminated:
            raise
        name = implementation.plugin_name.partition(":")[0]
        warn(f"{hook} in the plugin {name} failed: {titled(error)}")
        return _FAILED


def _as_target(claim: Any, plugin: str) -> Target | None:
    """A plugin's claim on a handler string as a Target, if it is one or looks like one."""
    if claim is None or isinstance(claim, Target):
        return claim
    if all(hasattr(claim, part) for part in ("convention", "description", "find")):
        return Target(claim.convention, claim.description, claim.find, getattr(claim, "path", None))
    warn(f"dispatch_locate in the plugin {plugin} returned {type(claim).__name__}; it must return a Target or None")
    return None


def _conventions(results: Iterable[Any]) -> dict[str, Convention]:
    return dict(_named(item) for result in results if result is not None for item in dict(result).items())


def _named(item: tuple[Any, Any]) -> tuple[str, Convention]:
    name, convention = item
    if not isinstance(name, str) or not callable(convention):
        raise PluginError(f"dispatch_conventions returned {{{name!r}: {convention!r}}}; it must map names to functions")
    return name, convention


def _imported(source: Source) -> Any:
    started = perf_counter()
    try:
        return _loaded(source.reference)
    finally:
        source.import_time = perf_counter() - started


def _loaded(reference: str) -> Any:
    module, _, attribute = reference.partition(":")
    if not all(part.isidentifier() for part in module.split(".")):
        raise PluginError(
            f"not the name of a module: {module!r}; pass one like acme_dispatch_csv, without folder and .py"
        )
    try:
        plugin: Any = import_module(module)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise
        where = f"{sys.path[0]} or on Python's path; {listing(sys.path[0], module.replace('.', '/'))}"
        raise PluginError(f"no module {error.name} in {where}") from error
    for part in attribute.split(".") if attribute else ():
        plugin = getattr(plugin, part)
    return plugin
