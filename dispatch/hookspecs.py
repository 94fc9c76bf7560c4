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

Dispatch finds it through the entry-point group `dispatch` of its distribution::

    [project.entry-points.dispatch]
    xml = "acme_dispatch_xml"

or because `HANDLER_PLUGINS` names the module. `dispatch plugins` shows whether it was found and what it offers.

A hook implementation may take any of the arguments below, by name, and may leave out those that it does not need. A
plugin is broken if one of its functions starts with `dispatch_` but is not a hook, or takes an argument that its hook
does not have: it is named on standard error and left out.

Every start imports every plugin, with one exception: once Dispatch has recorded what a plugin adds, and its only hook
is `dispatch_conventions`, it is imported only for functions that use one of its conventions.

Conventions transform, hooks observe: a hook cannot change an answer, so a hook that raises is logged and does no harm.
`HANDLER_TRACE_PLUGINS=1` logs each call of a hook with its time, and `dispatch plugins` shows the milliseconds that the
import of each plugin costs: import heavy libraries inside the convention, not at the top of the plugin.

**Versions**: a plugin that needs a certain version of Dispatch requires `handler-dispatch>=X` in the metadata of its
distribution, as a dependency or in an extra; `dispatch plugins` shows a requirement that is not met. If a hook is going
to be removed, it is marked below with `@hookspec(warn_on_impl=DeprecationWarning("use …"))`, an argument with
`warn_on_impl_args={"name": DeprecationWarning("…")}`. The log then names each plugin that uses it, when the plugin is
loaded; the plugin still works.

**A convention gets the user's function**, or a function that looks just like it: it takes keyword arguments, and
`inspect.signature`, `typing.get_type_hints`, `__name__`, `__module__` and `__doc__` are the user's. Calling it never
returns anything async: coroutines have been awaited, and async iterators are plain ones. An iterator that the
convention passes to `dispatch.respond` is streamed. For a script file the convention gets `main()`, whose attribute
`__script__` is the handler string.

A convention may have these attributes:

- `accepts_object = True`: the convention gets the very object that the handler string names, such as a class or an
  application, and awaits with `dispatch.settle`.
- `locate(spec, root)`: reads the handler string when the convention was requested by name; returns a
  `dispatch.Target`, or None to read it in the usual way.
- `report(error, request_id)`: words the report of an error that is raised before there is a handler.
- `accepts_any_event = True`: its events may be any text or bytes, not only JSON; `dispatch explain` and
  `dispatch publish` then mention that Lambda's Invoke accepts only JSON.

The handler that a convention returns may have these:

- `report(error, request_id)`: words its error reports. It returns a dictionary with any of `errorMessage`, `errorType`,
  `requestId` and `stackTrace`; the keys that it leaves out are filled in.
- `one_at_a_time`: True if the handler cannot serve several invocations at once in one process, False if it can. By
  default it can if the user's function is `async def`.
- `blocks = True`: it waits in other ways than by `dispatch.settle`, for a thread for example; an ASGI server then never
  calls it on its event loop, where `async def` functions run.
- `startup()`: called in each execution environment, before its first event and before a snapshot; if it raises, that is
  an init error. A handler that a program calls by itself, without the runtime, has to do without this call.
- `shutdown()`: called when the execution environment ends, before the event loop is closed.
- `respond_to(request)`: answers a `dispatch.http.Request` that came in no event, from an ASGI server: returns the
  status, the headers as pairs, and the body as bytes or an iterator of bytes. Without it, the request's body is the
  event.
- `hint(invocation)`: if `auto` chose the convention and an invocation has failed, returns what to set instead, for the
  log, or an empty string. It is logged once.
"""

from __future__ import annotations

from dispatch.cold_start import import_without

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pluggy

    from dispatch.function import Function
    from dispatch.invocation import Invocation
    from dispatch.locate import Target
    from dispatch.response import Response
    from dispatch.types import Conventions
else:
    pluggy = import_without("inspect", "pluggy")

hookspec = pluggy.HookspecMarker("dispatch")

#: Marks an implementation that has to run first or last: `@hookimpl(tryfirst=True)`.
hookimpl = pluggy.HookimplMarker("dispatch")


# ----------------------------------------------------------------------------------------------------------------------
# While the handler is loaded
# ----------------------------------------------------------------------------------------------------------------------


@hookspec
def dispatch_conventions() -> Conventions:
    """Called once, before the handler is located, to collect the conventions that the plugin adds.

    Returns:
        Conventions by name. A name that two plugins offer is an error only when it is requested.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def dispatch_locate(spec: str, root: str) -> Target | None:
    """Called to find out what a handler string names; stops at the first result that is not None.

    Plugins come before the built-in rules. They must not run user code here.

    Args:
        spec: the handler string.
        root: the task root, an absolute path.

    Returns:
        A Target, whose `convention` is used under `auto`; None leaves the string to the next plugin.
    """


# ----------------------------------------------------------------------------------------------------------------------
# While the execution environment lives
# ----------------------------------------------------------------------------------------------------------------------


@hookspec
def dispatch_startup(function: Function) -> None:
    """Called when the function has been loaded, before the first poll; once in each execution environment.

    Args:
        function: the loaded function, with its `handler`, `convention`, `target` and `user_object`.
    """


@hookspec
def dispatch_init_error(error: BaseException) -> None:
    """Called when the function cannot be loaded, before that is reported to the platform and the process ends.

    It is not called if the error comes before a convention is chosen: an error in the settings, an unknown convention,
    a handler string that is empty or leaves the task root.

    Args:
        error: the exception, which may be one that the user's module raised.
    """


@hookspec
def dispatch_before_fork() -> None:
    """Called with `HANDLER_PRELOAD=1` when the function has been loaded, once, before workers are forked.

    Stop threads, and close event loops and connections: workers that share them disturb each other. Whatever a worker
    needs can start again in `dispatch_startup`, which is called in each of them.
    """


@hookspec
def dispatch_before_snapshot() -> None:
    """Called under SnapStart before the snapshot is taken: drop connections and secrets that must not be in it."""


@hookspec
def dispatch_after_restore() -> None:
    """Called under SnapStart in each environment that was restored from the snapshot, before its first poll."""


@hookspec
def dispatch_before_invoke(invocation: Invocation) -> None:
    """Called when an event has arrived, before the handler.

    Args:
        invocation: the event. Its `stash` keeps whatever the plugin needs again after the invocation.
    """


@hookspec
def dispatch_after_invoke(invocation: Invocation, response: Response | None, error: BaseException | None) -> None:
    """Called when the answer has been sent, too late to change it.

    Args:
        invocation: the event.
        response: the answer, or None if there is none. The body of a streamed answer has been read.
        error: the exception that the invocation failed with, or None.
    """


@hookspec
def dispatch_shutdown(reason: str) -> None:
    """Called when the execution environment ends.

    Args:
        reason: why it ends, in a word or two: `SIGTERM`, `exit`.
    """
