"""The hooks, and how to write a plugin.

A plugin is a module with functions named ``dispatch_*``. It needs no decorator and no base class::

    # acme_dispatch_xml.py
    from xml.etree import ElementTree

    from dispatch import respond

    def xml(function):
        def handle(invocation):
            root = ElementTree.fromstring(invocation.body)
            return respond(function(root), ElementTree.tostring, "application/xml")
        return handle

    def dispatch_conventions():
        return {"xml": xml}

It is found by the entry-point group ``dispatch`` of the distribution that it comes in::

    [project.entry-points.dispatch]
    xml = "acme_dispatch_xml"

or because ``HANDLER_PLUGINS`` names the module. ``dispatch plugins`` shows whether it was found and what it offers.

A hook implementation may take any of the arguments below, by name, and leave out those it does not need. A function
whose name starts with ``dispatch_`` and is no hook, or takes an argument that its hook does not have, makes the plugin
broken: it is named on standard error and left out.

Conventions transform, hooks observe: no hook can change an answer, so a hook that raises is logged and does no harm.
A convention never sees anything async: ``async def`` functions are awaited, and async iterators made plain ones, before
it calls them; an iterator that it hands to :func:`dispatch.respond` is streamed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from dispatch.invocation import Invocation
    from dispatch.load import Function
    from dispatch.locate import Target
    from dispatch.response import Response
    from dispatch.types import Conventions

hookspec = pluggy.HookspecMarker("dispatch")

#: For the few implementations that want to run first or last: ``@hookimpl(tryfirst=True)``.
hookimpl = pluggy.HookimplMarker("dispatch")


# ----------------------------------------------------------------------------------------------------------------------
# While the handler is loaded
# ----------------------------------------------------------------------------------------------------------------------


@hookspec
def dispatch_conventions() -> Conventions:
    """Called once, before the handler is located, for the conventions that the plugin adds.

    :returns: conventions by name. A name that two plugins offer is an error only when it is asked for.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def dispatch_locate(spec: str, root: str) -> Target | None:
    """Called to find out what a handler string names. Plugins are asked before the built-in rules; none runs user code.

    :param spec: the handler string.
    :param root: the task root, an absolute path.
    :returns: a Target, whose ``convention`` is used under ``auto``; None leaves the string to the next plugin.
        Stops at the first result that is not None.
    """


# ----------------------------------------------------------------------------------------------------------------------
# While the execution environment lives
# ----------------------------------------------------------------------------------------------------------------------


@hookspec
def dispatch_startup(function: Function) -> None:
    """Called when the function is loaded and no event was asked for yet; once in each execution environment.

    :param function: what was loaded: its ``handler``, ``convention`` and ``target``.
    """


@hookspec
def dispatch_before_snapshot() -> None:
    """Called under SnapStart before the snapshot is taken: connections and secrets that must not be in it go now."""


@hookspec
def dispatch_after_restore() -> None:
    """Called under SnapStart in each environment that was restored from the snapshot, before it asks for an event."""


@hookspec
def dispatch_before_invoke(invocation: Invocation) -> None:
    """Called when an event has arrived, before the handler.

    :param invocation: the event. Its ``stash`` keeps what the plugin wants back afterwards.
    """


@hookspec
def dispatch_after_invoke(invocation: Invocation, response: Response | None, error: BaseException | None) -> None:
    """Called when the answer has been sent: too late to change it.

    :param invocation: the event.
    :param response: the answer; None if there is none. The body of a streamed one has been read.
    :param error: what went wrong; None if nothing did.
    """


@hookspec
def dispatch_shutdown(reason: str) -> None:
    """Called when the execution environment ends.

    :param reason: why, in a word or two: ``SIGTERM``, ``exit``.
    """
