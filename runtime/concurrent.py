"""``HANDLER_CONCURRENCY=async``: several invocations at once in one process, their coroutines on one event loop.

Each invocation has a thread that polls and sends; what the handler awaits runs on the loop that all of them share. So
nothing but ``async def`` handlers is taken: a plain function would run in several threads at once without knowing it.
"""

from __future__ import annotations

import inspect
import queue
import threading
from collections.abc import Callable

from dispatch import asynchrony
from dispatch.errors import SettingError
from runtime.environment import Environment
from runtime.trace import Trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from dispatch.function import Function
    from runtime.lifecycle import Signals


def serve(count: int, environment: Callable[[], Environment], signals: Signals) -> NoReturn:
    """Handle events, up to that many at once, until the process is to end or the Runtime API is gone.

    Args:
        count: how many environments there are.
        environment: makes one; each has a connection of its own, and all have one function.
        signals: what ends the process.
    """
    Trace().set(None)
    asynchrony.share()
    ended: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            one = environment()
            while True:
                one.handle(one.client.next())
                signals.check()
        except BaseException as error:  # noqa: BLE001 - it is raised again in the main thread
            ended.put(error)

    for number in range(count):
        threading.Thread(target=work, name=f"invocation {number + 1}", daemon=True).start()
    raise ended.get()


def check(function: Function) -> None:
    """Raise SettingError for a handler that cannot be called several times at once."""
    user_object = function.user_object
    calls = (user_object, getattr(type(user_object), "__call__", None))  # noqa: B004 - how it is made counts
    is_async = any(inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call) for call in calls)
    if getattr(function.handler, "one_at_a_time", False) or not is_async:
        raise SettingError(
            f"HANDLER_CONCURRENCY is 'async', but the handler is {user_object!r} in the {function.convention} "
            "convention; it takes an async def function in a convention other than script. Without it, "
            "HANDLER_WORKERS are processes"
        )
