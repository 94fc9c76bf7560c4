"""Loads plugins, leaves out broken ones, and calls the hooks of the rest.

pluggy is the registry: it validates implementations and puts them in order. They are called here, one at a time and
each guarded, because a plugin that fails must not take the function down with it. Importing pluggy costs more than ten
milliseconds of a cold start, so it is imported only if there are plugins besides the built-in conventions.
"""

from __future__ import annotations

import sys
from importlib import import_module
from time import perf_counter

from dispatch.discovery import BUILT_IN, DISTRIBUTION, GROUP, Source, built_in
from dispatch.error_reports import warn
from dispatch.errors import PluginError, Terminated
from dispatch.exceptions import titled
from dispatch.locate import Target
from dispatch.modules import listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    import pluggy

    from dispatch.types import Convention

#: The result of a hook that has raised.
_FAILED = object()


class _BuiltIn:
    """Takes the place of a built-in convention's module, which is imported only if the convention is requested."""

    def __init__(self, name: str) -> None:
        self._name = name

    def dispatch_conventions(self) -> Mapping[str, Any]:
        return {self._name: lambda: built_in(self._name)}


def load_plugins(
    sources: Iterable[Source], requested: Iterable[str] = (), blocked: Iterable[str] = (), *, traced: bool = False
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
    import pluggy

    from dispatch import hookspecs

    class Manager(pluggy.PluginManager):
        """Recognizes hook implementations by their prefix, without a decorator."""

        def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
            if name.startswith("__"):  # object's own, for which pluggy would need milliseconds of a cold start
                return None
            options = super().parse_hookimpl_opts(plugin, name)
            return {} if options is None and _is_hook(plugin, name) else options

    manager = Manager(GROUP)
    manager.add_hookspecs(hookspecs)
    built_in_ones = [Source(name, reference, DISTRIBUTION) for name, reference in BUILT_IN.items()]
    every_source = [*built_in_ones, *sources, *(Source(name, name) for name in requested)]
    plugins = Plugins(manager, every_source, _tracing() if traced else None)
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

    def __init__(
        self, manager: pluggy.PluginManager, sources: list[Source], trace: Callable[[Any, str], Any] | None = None
    ) -> None:
        """Create it, without any plugin.

        Args:
            manager: a plugin manager that has the hooks' specifications.
            sources: the plugins that will be loaded.
            trace: turns an implementation of a hook into one that logs its calls.
        """
        self.sources = sources
        self._trace = trace
        self._manager = manager
        self._offers: dict[str, list[tuple[Source, Any]]] = {}
        self._built_in = {reference: _BuiltIn(name) for name, reference in BUILT_IN.items()}

    def load(self, source: Source, *, blocked: bool) -> None:
        """Import a plugin and register it; `source.state` is the outcome."""
        if blocked:
            source.state = "blocked"
            return
        try:
            plugin = self._built_in.get(source.reference) or _imported(source)
            if self._manager.is_registered(plugin):  # both installed and requested
                self.sources.remove(source)
                return
            source.hooks = self._register(plugin, source)
            offers = self._conventions(plugin)
        except BaseException as error:
            if type(error) is Terminated:
                raise
            reason = titled(error)
            source.state = f"broken: {reason}"
            warn(f"left out the plugin {source}: {reason}")
            return
        source.conventions = sorted(offers)
        for name, convention in offers.items():
            self._offers.setdefault(name, []).append((source, convention))

    def _register(self, plugin: Any, source: Source) -> list[str]:
        """Register all of a plugin's hooks, or none; returns their names."""
        import warnings  # imported already, by pluggy

        hooks = self._hooks(plugin)
        known = [attribute for attribute in vars(self._manager.hook) if attribute.startswith("dispatch_")]
        if not hooks and not source.distribution:
            warn(f"the plugin {source} has no hooks; known hooks: {', '.join(sorted(known))}")
        for function, hook in hooks.items():
            if hook not in known:
                raise PluginError(f"unknown hook {hook!r}; known hooks: {', '.join(sorted(known))}")
            _check(plugin, function)
        try:
            with warnings.catch_warnings():
                # pluggy warns of deprecated hooks, and Python's filters would hide that, or leave the plugin out.
                warnings.simplefilter("ignore")
                self._manager.register(plugin, f"{source.name}:{id(plugin)}")
        except Exception:
            # pluggy up to 1.6 leaves a plugin that fails validation half registered.
            if self._manager.is_registered(plugin):
                self._manager.unregister(plugin)
            raise
        for notice in self._deprecations(plugin):
            warn(f"the plugin {source} {notice}")
        return [*hooks.values()]

    def _hooks(self, plugin: Any) -> dict[str, str]:
        """The names of the plugin's functions that implement hooks, each with its hook's, as pluggy sees them."""
        found = ((name, self._manager.parse_hookimpl_opts(plugin, name)) for name in dir(plugin))
        return {name: options.get("specname") or name for name, options in found if options is not None}

    def _deprecations(self, plugin: Any) -> Iterator[str]:
        """What the plugin uses although its specification has `warn_on_impl` or `warn_on_impl_args`, as predicates."""
        for hook in self._manager.get_hookcallers(plugin) or ():
            if hook.spec and hook.spec.warn_on_impl:
                yield f"implements {hook.name}, which is deprecated: {hook.spec.warn_on_impl}"
            own = [one for one in hook.get_hookimpls() if one.plugin is plugin]
            for name, message in ((hook.spec and hook.spec.warn_on_impl_args) or {}).items():
                if any(name in (*one.argnames, *one.kwargnames) for one in own):
                    yield f"takes the argument {name!r} of {hook.name}, which is deprecated: {message}"

    def _conventions(self, plugin: Any) -> Mapping[str, Convention]:
        hook = "dispatch_conventions"
        try:
            results = [one.function() for one in self._implementations(hook) if one.plugin is plugin]
            return dict(_named(item) for result in results if result is not None for item in dict(result).items())
        except BaseException:
            self._manager.unregister(plugin)
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
        return convention() if source.reference in self._built_in else convention  # type: ignore[no-any-return]

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
        found: list[Any] = [*reversed(getattr(self._manager.hook, hook).get_hookimpls())]
        trace = self._trace
        if trace is None:
            return found
        # Not of a built-in convention, whose stand-in runs no code of a plugin.
        return [one if isinstance(one.plugin, _BuiltIn) else trace(one, hook) for one in found]


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


def _named(item: tuple[Any, Any]) -> tuple[str, Convention]:
    name, convention = item
    if not isinstance(name, str) or not callable(convention):
        raise PluginError(f"dispatch_conventions returned {{{name!r}: {convention!r}}}; it must map names to functions")
    return name, convention


def _check(plugin: Any, name: str) -> None:
    """Raise PluginError for an implementation of a hook that would never run."""
    from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction  # imported already, by pluggy

    function = getattr(plugin, name)
    options = getattr(function, f"{GROUP}_impl", {})
    if options.get("wrapper") or options.get("hookwrapper"):
        raise PluginError(f"{name} is a wrapper, but hooks only observe; a convention can change answers")
    if iscoroutinefunction(function) or isasyncgenfunction(function):
        raise PluginError(f"{name} is an async def, but hooks are called as plain functions")
    if isgeneratorfunction(function):
        raise PluginError(f"{name} has a yield, but hooks are called as plain functions")


def _is_hook(plugin: object, name: str) -> bool:
    return name.startswith("dispatch_") and callable(getattr(plugin, name, None))


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
