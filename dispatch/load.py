"""Puts together what the rest of the package offers: a handler string and a convention's name become a Function."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from dispatch import discovery, locate, shadowing
from dispatch.asynchrony import plain
from dispatch.errors import HandlerNotFound, UnknownConvention
from dispatch.invocation import handled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from dispatch.invocation import Invocation
    from dispatch.locate import Target
    from dispatch.plugins import Plugins
    from dispatch.response import Response
    from dispatch.types import Convention, Handler

AUTO = "auto"


class Function:
    """A handler that is ready to be called, and what wants to know of its life.

    Attributes:
        handler: answers an invocation.
        callable: what the user wrote.
        convention: the name of the convention that was chosen.
        target: what the handler string names.
        before_invoke, after_invoke: tell the plugins, by keyword; None where none wants to know.
    """

    __slots__ = ("_plugins", "after_invoke", "before_invoke", "callable", "convention", "handler", "target")

    def __init__(self, choice: Choice, function: Callable[..., Any]) -> None:
        self.handler: Handler = choice.convention(plain(function))
        self.callable = function
        self.convention = choice.name
        self.target = choice.target
        self._plugins = choice.plugins
        self.before_invoke = self._hook("before_invoke")
        self.after_invoke = self._hook("after_invoke")

    def tell(self, hook: str, **arguments: Any) -> None:
        """Tell the plugins of a turn in the function's life: ``startup``, ``before_snapshot``, ``shutdown``."""
        notify = self._hook(hook)
        if notify:
            notify(**arguments)

    def _hook(self, name: str) -> Callable[..., None] | None:
        return self._plugins.hook(f"dispatch_{name}") if self._plugins else None

    def __call__(self, invocation: Invocation) -> Response:
        """Handle an event here and now, without the hooks: for tests, and for programs that embed a function."""
        token = handled.set(invocation)
        try:
            response = self.handler(invocation)
        finally:
            handled.reset(token)
        if not isinstance(response.body, bytes):
            response.body = _handling(invocation, response.body)
        return response


def _handling(invocation: Invocation, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks of a streamed answer, each made while its invocation is the current one."""
    while True:
        token = handled.set(invocation)
        try:
            chunk = next(chunks, None)
        finally:
            handled.reset(token)
        if chunk is None:
            return
        yield chunk


class Choice:
    """Which convention takes a handler string, before any of the user's code has run.

    Attributes:
        spec, root: the handler string and the task root.
        target: what the handler string names.
        name: the convention's name.
        convention: the convention.
        plugins: the plugins, or None if there is none besides the built-in ones.
        said: what each plugin that was asked made of the handler string.
    """

    __slots__ = ("convention", "name", "plugins", "root", "said", "spec", "target")

    def __init__(self, spec: str, root: str, asked_for: str, manager: Plugins | None) -> None:
        self.spec = spec
        self.root = root
        self.plugins = manager
        self.said = list(_asked(manager, spec, root))
        claimed = next((claim for _, claim in self.said if claim is not None), None)
        self.target = claimed or locate.locate(spec, root, as_source=asked_for == "expression")
        if asked_for == AUTO and not self.target.convention:
            self.target.find()
        self.name = self.target.convention if asked_for == AUTO else asked_for
        self.convention = _convention(self.name, manager, self.target if asked_for == AUTO else None)

    def load(self) -> Function:
        """Fetch the callable, which runs the user's module, and make a handler of it."""
        shadowing.claim(self.root)
        function = self.target.find()
        if self.name != "script" and not getattr(function, "has_main", True):
            raise HandlerNotFound(
                f"no main in {self.spec}: the {self.name} convention calls main(handler, event) of a script; "
                "the script convention runs a script that has none"
            )
        return Function(self, function)


def load(spec: str, root: str, convention: str = AUTO, plugin_setting: str = "") -> Function:
    """The function that a handler string names, ready to be called.

    Puts the task root first on ``sys.path`` and gives it first claim on module names.

    Args:
        spec: the handler string.
        root: the task root.
        convention: a convention's name, or ``auto``.
        plugin_setting: as in ``HANDLER_PLUGINS``: modules to register, ``-name`` to block one.

    Raises DispatchError, or whatever the user's module raises while it is imported.
    """
    return choose(spec, root, convention, plugin_setting).load()


def choose(spec: str, root: str, convention: str = AUTO, plugin_setting: str = "") -> Choice:
    """Find out what a handler string names and which convention takes it; runs no code but the plugins'."""
    import_module("conventions")
    root = os.path.abspath(root)
    asked, blocked = discovery.requested(plugin_setting)
    there = discovery.installed([root, *sys.path])
    # First, so that what we import is not looked for in the task root.
    if not (there or asked or blocked):
        choice = Choice(spec, root, convention, None)
        _put_first(root)
        return choice
    wanted = [convention] if convention in discovery.BUILT_IN else discovery.BUILT_IN
    for name in ("pluggy", *map(discovery.BUILT_IN.__getitem__, wanted)):
        import_module(name)
    from dispatch import plugins

    _put_first(root)
    return Choice(spec, root, convention, plugins.Plugins(there, asked, blocked))


def _put_first(root: str) -> None:
    if root in sys.path:
        sys.path.remove(root)
    sys.path.insert(0, root)


def _asked(manager: Plugins | None, spec: str, root: str) -> Any:
    """What plugins say of the handler string, up to the first that takes it."""
    for name, claim in manager.locate(spec, root) if manager else ():
        yield name, claim
        if claim is not None:
            return


def _convention(name: str, manager: Plugins | None, target: Target | None) -> Convention:
    known = sorted(discovery.BUILT_IN) if manager is None else manager.known()
    if manager is not None:
        found_one = manager.convention(name)
        if found_one is not None:
            return found_one
    elif name in discovery.BUILT_IN:
        # No plugin manager where there is nothing to manage: importing pluggy costs 15 ms of a cold start.
        return discovery.built_in(name)
    left_out = "".join(f"; left out: {source}, {source.state}" for source in (manager.broken() if manager else ()))
    wanted = f" for {target.description}" if target else ""
    raise UnknownConvention(f"no convention {name!r}{wanted}; there are: {', '.join(known)}, and auto{left_out}")
