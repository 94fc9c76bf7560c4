"""One function of an Azure app, called as Azure's worker for Python calls it.

The rules are those of azure-functions-runtime 1.3.0: `functions.py` for parameters and bindings, `handle_event.py` for
what is passed and what may be returned, `bindings/generic.py` for parameters that are annotated with `str` or `bytes`,
`bindings/context.py` for the context. Data is decoded and encoded by the converters of the app's own azure-functions.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import threading
import typing
from types import SimpleNamespace

from dispatch import current
from dispatch.errors import HandlerNotFound, UnmarshalError
from dispatch.modules import described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any

#: The triggers that events of Lambda can be passed to, and the one binding beside them.
TRIGGERS = ("httpTrigger", "queueTrigger", "serviceBusTrigger", "eventGridTrigger", "timerTrigger")
HTTP, QUEUE, SERVICE_BUS, EVENT_GRID, TIMER = TRIGGERS
HTTP_OUTPUT = "http"

#: The parameter and the binding that are not like others.
_CONTEXT, _RETURN = "context", "$return"

#: The direction of a binding that a function writes to (`BindingDirection` in azure.functions).
_OUT = 1

#: X-Ray's header, whose numbers W3C's `traceparent` has, too.
_TRACE = re.compile(r"Root=1-(\w{8})-(\w{24}); ?Parent=(\w{16})(?:; ?Sampled=([01]))?")

_local = threading.local()


class Function:
    """A function of the app.

    Attributes:
        name: as the app registers it.
        kind: the type of its trigger.
        settings: those of its trigger, by their names in `function.json`.
        problem: that it cannot be served here, and why; empty if it can.
        takes_cloud_events: whether the trigger's parameter is annotated as a CloudEvent.
        data: the class of triggers' data in azure.functions.
    """

    def __init__(self, function: Any) -> None:
        self.name: str = function.get_function_name()
        self._user = function.get_user_function()
        trigger = function.get_trigger()
        self.kind: str = trigger.type
        self.settings: dict[str, Any] = trigger.get_dict_repr()
        self._trigger: str = trigger.name
        others = {each.name: each for each in function.get_bindings() if each is not trigger}
        self._returns = others.pop(_RETURN, None) is not None
        self._outputs = list(others)
        why = _problem(function, trigger)
        self.problem = f"the function {self.name} cannot be served here: {why}" if why else ""
        self._converters = sys.modules["azure.functions"].get_binding_registry()
        self.data = sys.modules["azure.functions.meta"].Datum
        if not self.problem:
            self._read_signature()

    def _read_signature(self) -> None:
        try:
            parameters = set(inspect.signature(self._user).parameters)
            self._directory = os.path.dirname(inspect.getfile(self._user))
            self._annotation = typing.get_type_hints(self._user).get(self._trigger)
        except (NameError, TypeError, ValueError) as error:
            raise HandlerNotFound(f"the parameters of the function {self.name} cannot be read: {error}") from error
        self.takes_cloud_events = getattr(self._annotation, "__name__", "") == "CloudEvent"
        bound = {self._trigger, *self._outputs}
        self._has_context = _CONTEXT in parameters - bound
        declared = parameters - {_CONTEXT} if self._has_context else parameters
        if declared != bound:
            raise HandlerNotFound(
                f"the function {self.name} has the parameters {', '.join(sorted(declared)) or 'none'}, but its "
                f"decorators bind {', '.join(sorted(bound))}; both must be the same"
            )

    def takes(self, method: str) -> bool:
        """Whether a route is for requests with this method."""
        methods = self.settings.get("methods")
        return methods is None or method.upper() in {str(each).upper() for each in methods}

    def served(self) -> Function:
        """The function itself. Raises HandlerNotFound if it cannot be served."""
        if self.problem:
            raise HandlerNotFound(self.problem)
        return self

    def call(self, data: Any, metadata: dict[str, Any]) -> Any:
        """Call the function with its trigger's data: what to send for HTTP, None for any other; maybe to be awaited."""
        outputs = {name: Out() for name in self._outputs}
        result = self.call_with(self._decoded(data, metadata), outputs)
        return self._awaited(result, outputs) if inspect.isawaitable(result) else self._finished(result, outputs)

    def call_with(self, value: Any, outputs: dict[str, Out] | None = None) -> Any:
        """Call the function with the value of its trigger's parameter; returns its result."""
        arguments = {self._trigger: value, **(outputs or {})}
        if self._has_context:
            arguments[_CONTEXT] = _context(self.name, self._directory)
        return self._user(**arguments)

    async def _awaited(self, result: Awaitable[Any], outputs: dict[str, Out]) -> Any:
        return self._finished(await result, outputs)

    def _decoded(self, data: Any, metadata: dict[str, Any]) -> Any:
        if self._annotation in (str, bytes) and data.type != HTTP_OUTPUT:
            return data.value
        try:
            return self._converters.get(self.kind).decode(data, trigger_metadata=metadata)
        except (ValueError, TypeError, NotImplementedError) as error:
            raise UnmarshalError(f"the event cannot be passed to the function {self.name}: {error}") from None

    def _finished(self, result: Any, outputs: dict[str, Out]) -> Any:
        if result is not None and not self._returns:
            raise RuntimeError(
                f"the function {self.name} returned a value, but it has no $return binding: {result!r:.60}"
            )
        if self._returns:
            return self._encoded(result)
        written = [self._encoded(out.get()) for out in outputs.values() if out.get() is not None]
        return written[-1] if written else None

    def _encoded(self, value: Any) -> Any:
        try:
            return self._converters.get(HTTP_OUTPUT).encode(value, expected_type=None)
        except NotImplementedError:
            raise TypeError(
                f"the function {self.name} must return an HttpResponse or a str, not {described(value)}"
            ) from None


def _problem(function: Any, trigger: Any) -> str:
    if trigger.type not in TRIGGERS:
        return f"it has the trigger {trigger.name!r} of type {trigger.type}"
    for each in function.get_bindings():
        if each is not trigger and (each.type, each.direction) != (HTTP_OUTPUT, _OUT):
            return f"it has the binding {each.name!r} of type {each.type}"
    settings = trigger.get_dict_repr()
    if str(settings.get("cardinality", "")).lower() == "many":
        return "its trigger takes many messages at once (cardinality), but each record is passed on its own"
    return "its trigger reads a topic of Service Bus; only queues can be read" if "topicName" in settings else ""


class Out:
    """What a parameter for an output binding is: `bindings/out.py`."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, value: Any) -> None:
        """Set the value of the output."""
        self._value = value

    def get(self) -> Any:
        """The value, or None."""
        return self._value


def _context(name: str, directory: str) -> Any:
    """The parameter `context`, with the attributes of the worker's class."""
    found = _TRACE.match(current().trace_id or "")
    parent = f"00-{found[1]}{found[2]}-{found[3]}-0{found[4] or 0}" if found else ""
    names = {"trace_parent": parent, "trace_state": "", "attributes": {}}
    _local.invocation_id = current().request_id
    return SimpleNamespace(
        function_name=name,
        function_directory=directory,
        invocation_id=current().request_id,
        thread_local_storage=_local,
        trace_context=SimpleNamespace(**names, Traceparent=parent, Tracestate="", Attributes={}),
        retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, rpc_exception=None),
    )
