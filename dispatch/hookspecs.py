"""The hooks, and how to write a plugin.

A plugin is a module with functions named `dispatch_*`. It needs no decorator and no base class::

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

It is found by the entry-point group `dispatch` of the distribution that it comes in::

    [project.entry-points.dispatch]
    xml = "acme_dispatch_xml"

or because `HANDLER_PLUGINS` names the module. `dispatch plugins` shows whether it was found and what it offers.

A hook implementation may take any of the arguments below, by name, and leave out those that it does not need. A plugin
is broken if a function of its own starts with `dispatch_` but is not a hook, or takes an argument that its hook does
not have: it is named on standard error and left out.

Conventions transform, hooks observe: no hook can change an answer, so a hook that raises is logged and does no harm.

**What a convention gets** is the user's function in all that can be seen of it: it takes keyword arguments, and
`inspect.signature`, `typing.get_type_hints`, `__name__`, `__module__` and `__doc__` are the user's. Calling it never
returns anything async: coroutines are awaited and async iterators made plain ones. An iterator that the convention
hands to `dispatch.respond` is streamed. Of a script file it gets `main()`; the attribute `__script__` is then the
handler string.

A convention may have these attributes:

- `accepts_object = True`: it gets what the handler string names itself, be it a class or an application object, and
  awaits with `dispatch.settle`.
- `locate(spec, root)`: reads handler strings in a way of its own when it is asked for by name; returns a
  `dispatch.Target`, or None for the usual reading.
- `report(error, request_id)`: words the report of an error that comes before there is a handler.

A handler, which a convention returns, may have these:

- `report(error, request_id)`: words its error reports. It returns a dictionary with any of `errorMessage`, `errorType`,
  `requestId` and `stackTrace`; what it leaves out is filled in.
- `one_at_a_time = True`: it cannot serve several invocations at once in one process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from dispatch.function import Function
    from dispatch.invocation import Invocation
    from dispatch.locate import Target
    from dispatch.response import Response
    from dispatch.types import Conventions

hookspec = pluggy.HookspecMarker("dispatch")

#: For the few implementations that want to run first or last: `@hookimpl(tryfirst=True)`.
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
    """Called to find out what a handler string names. Plugins are asked before the built-in rules and run no user code.

    :param spec: the handler string.
    :param root: the task root, an absolute path.
    :returns: a Target, whose `convention` is used under `auto`; None leaves the string to the next plugin.
        Stops at the first result that is not None.
    """


# ----------------------------------------------------------------------------------------------------------------------
# While the execution environment lives
# ----------------------------------------------------------------------------------------------------------------------


@hookspec
def dispatch_startup(function: Function) -> None:
    """Called when the function is loaded and no event was asked for yet; once in each execution environment.

    :param function: what was loaded: its `handler`, `convention`, `target` and `user_object`.
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

    :param invocation: the event. Its `stash` keeps what the plugin wants back afterwards.
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

    :param reason: why, in a word or two: `SIGTERM`, `exit`.
    """
