"""Gets a function that has been loaded ready to be forked into workers, which share its memory (`HANDLER_PRELOAD=1`).

A fork copies only the thread that calls it, and shares every open file. So threads and event loops that would end up
in the workers, broken, are an init error.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import time
import warnings

# A reference from before user code runs, which may replace it.
from _thread import get_ident

from dispatch.errors import SettingError
from dispatch.late import import_every
from runtime.snapshot import reseed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dispatch.function import Function
    from runtime.lifecycle import Signals
    from runtime.workers import Supervisor

#: How long a thread may take to end after it was stopped, in seconds; the system shows it until then.
_PATIENCE = 0.2

_SELF = "/proc/self"


class Preload:
    """The supervisor's side of a fork; created before user code runs."""

    def __init__(self) -> None:
        self._looking = False
        self._python: dict[int | None, str] = {}
        self._tasks: list[str] | None = []
        # The order is the one that counts: after what user code registers `before`, and before what it registers for
        # afterwards. It may stop its threads and start them again.
        os.register_at_fork(before=self._before, after_in_parent=self._after)

    def get_ready(self, function: Function) -> None:
        """Call the plugins' hook and prepare the memory. Raises SettingError if the process cannot be forked."""
        import_every()
        function.notify("before_fork")
        gc.collect()  # also whatever only a cycle keeps alive, such as an event loop
        problem = _open_loops() or self._surviving_threads()
        if problem:
            raise SettingError(
                f"HANDLER_PRELOAD is '1', but {function.target.description} cannot be forked: {problem}; or unset "
                "HANDLER_PRELOAD, so that each worker loads the function itself"
            )
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()  # otherwise each worker would write what the buffer holds
            except Exception:  # noqa: BLE001, S112 - user code may have put anything in their place
                continue
        # The collector writes into the objects that it visits; in a worker each page that is written to is copied.
        gc.freeze()

    def fork(self, supervisor: Supervisor, work: Callable[[], int]) -> int:
        """Run the workers; returns the exit status."""
        status = supervisor.run(work)
        atexit._clear()  # noqa: SLF001 - the workers have called them
        return status

    def in_worker(self, function: Function, signals: Signals) -> Function:
        """The function, in a worker that has just been forked."""
        signals.guard.in_child = False  # a worker is an environment, other than a process that user code forks
        reseed()
        return function

    def _surviving_threads(self) -> str:
        """The threads that would be missing in a forked process, as a clause; empty if there are none.

        A library may stop its threads when the process is forked, as OpenBLAS does, so a fork shows which ones remain.
        """
        if _other_tasks() == []:
            return ""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns of what is found out here
            self._looking = True
            process = os.fork()
            if process == 0:
                os._exit(0)
            self._looking = False
        _bury(process)
        if self._tasks == []:
            return ""
        known = {str(number) for number in self._python}
        others = [task for task in self._tasks or () if task not in known]
        names = [*map(repr, self._python.values()), *(f"{_task_name(task)!r} (not of threading)" for task in others)]
        if not names:
            return ""
        return (
            f"it has started threads, which workers would not have: {', '.join(names)}; start them in the handler's "
            "first call, or stop them in os.register_at_fork(before=...) or the hook dispatch_before_fork"
        )

    def _before(self) -> None:
        if self._looking:
            every = getattr(sys.modules.get("threading"), "enumerate", list)
            self._python = {one.native_id: one.name for one in every() if one.ident != get_ident()}

    def _after(self) -> None:
        if not self._looking:
            return
        end = time.monotonic() + _PATIENCE
        while True:
            self._tasks = _other_tasks()
            if not self._tasks or time.monotonic() > end:
                return
            time.sleep(_PATIENCE / 20)


def _open_loops() -> str:
    """The event loops that a forked process would share, as a clause; empty if there are none."""
    base: Any = getattr(sys.modules.get("asyncio.events"), "AbstractEventLoop", None)
    if base is None:
        return ""
    loops = [one for one in gc.get_objects() if issubclass(type(one), base) and _is_open(one)]
    if not loops:
        return ""
    return (
        f"it has an open event loop, which workers would share: {type(loops[0]).__name__}; create it in the handler's "
        "first call, or call asyncio.run(), which closes its loop"
    )


def _is_open(loop: Any) -> bool:
    try:
        return not loop.is_closed()
    except Exception:  # noqa: BLE001 - user code may have derived anything from it
        return False


def _task_name(task: str) -> str:
    try:
        with open(f"{_SELF}/task/{task}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().rstrip("\n")
    except OSError:
        return ""


def _bury(process: int) -> None:
    try:
        os.waitpid(process, 0)
    except ChildProcessError:  # user code ignores SIGCHLD, or its handler has been faster
        return


def _other_tasks() -> list[str] | None:
    """The numbers of the process's threads but the main one; None if the system has no such list."""
    try:
        main = os.readlink(_SELF)
        return [task for task in os.listdir(f"{_SELF}/task") if task != main]
    except OSError:
        return None
