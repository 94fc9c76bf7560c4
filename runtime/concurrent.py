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
from runtime import loop
from runtime.trace import Trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dispatch.load import Function
    from runtime.client import RuntimeClient
    from runtime.lifecycle import Signals
    from runtime.logs import Log


def serve(count: int, connect: Callable[[], RuntimeClient], function: Function, log: Log, signals: Signals) -> None:
    """Handle events, up to that many at once, until the process is told to end or the Runtime API is gone."""
    Trace().set(None)
    asynchrony.share()
    ended: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            client = connect()
            while True:
                loop.handle(client, function, log, client.next(), signals)
                signals.check()
        except BaseException as error:  # noqa: BLE001 - it is raised again in the main thread
            ended.put(error)

    for number in range(count):
        threading.Thread(target=work, name=f"invocation {number + 1}", daemon=True).start()
    raise ended.get()


def check(function: Function) -> None:
    """Raise SettingError for a handler that cannot be called several times at once."""
    calls = (function.callable, type(function.callable).__call__)
    is_async = any(inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call) for call in calls)
    if function.convention == "script" or not is_async:
        raise SettingError(
            f"HANDLER_CONCURRENCY is 'async', which takes a handler made with async def, by a convention other than "
            f"script; this is {function.callable!r}, {function.convention}. Without it, HANDLER_WORKERS are processes"
        )
