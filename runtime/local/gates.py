"""Gates at which coroutines wait, and go on in the very turn of the event loop that opens them: no task, no future.

A task would make three turns of the loop and a future of each step: between the platform's two connections, to the
caller and to the runtime, that is most of the time of an invocation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


class Gate(Generic[T]):
    """What opens once, with a value or with an error. Only the first opening has an effect."""

    __slots__ = ("_error", "_value", "_waiting", "is_open")

    def __init__(self) -> None:
        self.is_open = False
        self._waiting: list[Callable[[], None]] = []
        self._value: T | None = None
        self._error: BaseException | None = None

    def open(self, value: T, error: BaseException | None = None) -> None:
        """Let pass what waits, in the order of its coming, before this returns."""
        if not self.is_open:
            self.is_open, self._value, self._error = True, value, error
            waiting, self._waiting = self._waiting, []
            for go_on in waiting:
                go_on()

    def fail(self, error: BaseException) -> None:
        """Let what waits go on with an error."""
        self.open(cast("T", None), error)

    def forget(self) -> None:
        """Note that nothing waits any more, so that opening it has no effect."""
        self.is_open = True
        self._waiting.clear()

    def when_open(self, go_on: Callable[[], None]) -> None:
        """Call a function once the gate is open, at once if it is."""
        if self.is_open:
            go_on()
        else:
            self._waiting.append(go_on)

    def __await__(self) -> Generator[Gate[T], None, T]:
        if not self.is_open:
            yield self
        if self._error is not None:
            raise self._error
        return cast("T", self._value)


async def passed(gate: Gate[T]) -> T:
    """Wait at a gate from a task."""
    if not gate.is_open:
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gate.when_open(lambda: None if opened.done() else opened.set_result(None))
        await opened
    return await gate


class Walk:
    """A coroutine on its way through gates, which waits for nothing else; it starts at once.

    Attributes:
        ended: opens when the coroutine has ended.
    """

    def __init__(self, course: Coroutine[Gate[Any], None, None]) -> None:
        self._course = course
        self.ended: Gate[None] = Gate()
        self._go_on()

    def _go_on(self) -> None:
        if self.ended.is_open:
            return
        try:
            gate = self._course.send(None)
        except StopIteration:
            self.ended.open(None)
        except Exception as error:  # noqa: BLE001 - whoever has opened the gate is not to blame
            self.ended.open(None)
            context = {"message": "an exception that nobody awaits", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
        else:
            gate.when_open(self._go_on)

    def close(self) -> None:
        """End the coroutine where it is waiting."""
        if not self.ended.is_open:
            self.ended.open(None)
            self._course.close()
