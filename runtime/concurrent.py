"""Handles several invocations at once in one process (`HANDLER_CONCURRENCY=async`), with one shared event loop.

Each invocation has a thread that polls and sends, and its coroutines run on the shared loop. Only `async def` handlers
are allowed, and those whose convention says that they can: a plain function would run in several threads at once
without being prepared for it.
"""

from __future__ import annotations

import inspect
import queue
import threading
from collections.abc import Callable

from dispatch.errors import SettingError
from dispatch.event_variables import set_variable
from dispatch.protocol import TRACE_VARIABLE
from runtime.environment import Environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from dispatch.function import Function
    from runtime.lifecycle import Signals


def serve(count: int, environment: Callable[[], Environment], signals: Signals) -> NoReturn:
    """Handle events, up to `count` at once, until the process has to end or the Runtime API has failed.

    Args:
        count: how many environments to run.
        environment: creates one; each has its own connection, and all share one function.
        signals: turns a signal into the end of the process.
    """
    set_variable(TRACE_VARIABLE, None)
    ended: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            one = environment()
            while True:
                one.handle(one.client.next())
                signals.check()
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            ended.put(error)

    for number in range(count):
        threading.Thread(target=work, name=f"invocation {number + 1}", daemon=True).start()
    raise ended.get()


def check(function: Function) -> None:
    """Raise SettingError if the handler does not allow several calls at once; it may say itself whether it does."""
    if getattr(function.handler, "one_at_a_time", not is_async(function.user_object)):
        raise SettingError(
            f"HANDLER_CONCURRENCY is 'async', but the {function.convention} convention cannot call "
            f"{function.target.description} several times at once; use an `async def` function or a program, or unset "
            "HANDLER_CONCURRENCY to run HANDLER_WORKERS as processes"
        )


def is_async(user_object: object) -> bool:
    """Whether calling it returns a coroutine or an async generator."""
    calls = (user_object, getattr(type(user_object), "__call__", None))  # noqa: B004 - the method itself is inspected
    return any(inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call) for call in calls)
