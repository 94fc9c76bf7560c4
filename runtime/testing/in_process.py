"""An execution environment in the caller's own process: the runtime's, without the Runtime API in between."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import replace
from functools import cache
from types import FrameType, ModuleType
from typing import Any, Final

from dispatch import asynchrony, error_reports, protocol
from dispatch.invocation import Headers, Invocation
from dispatch.load import choose
from runtime.client import RuntimeClient
from runtime.environment import Environment, init_report
from runtime.lifecycle import ForkGuard, Signals
from runtime.local.environments.log_lines import timed_out
from runtime.local.environments.platform import complete
from runtime.local.environments.variables import new_log_stream, variables
from runtime.local.function import FunctionConfig
from runtime.local.function_error import FunctionError
from runtime.local.invocation import Event, Exchange, InvocationReport
from runtime.logs import Log
from runtime.settings import Settings, log_settings
from runtime.testing.deadline import Deadline
from runtime.testing.result import Chunk, Result
from runtime.testing.surroundings import LIBRARY, OURS, Surroundings
from runtime.transport import Reply, Transport

#: Seconds that a function may take to load, as on Lambda (AWS documentation, init phase).
INIT_LIMIT: Final = 10.0


class InProcess:
    """An execution environment in this process."""

    def __init__(self, function: FunctionConfig, project_modules: Mapping[str, ModuleType]) -> None:
        """Create the environment; the function is loaded for its first event.

        Args:
            function: what to run.
            project_modules: modules of the project under test that have the names of our packages.
        """
        self._function = function
        self._log_stream = new_log_stream()
        self._surroundings = Surroundings(str(function.folder), project_modules)
        self._environment: Environment | None = None
        self._encoding = "utf-8"
        self._sent = _Sent()

    def invoke(self, event: Event, timeout: float, headers: Mapping[str, str]) -> Result:
        """Handle one event.

        Args:
            event: the event.
            timeout: the seconds that it may take. Code in the main thread is then interrupted.
            headers: headers that the Runtime API does not have.
        """
        event = complete(event, self._function)
        with self._surroundings.entered(self._variables(event)) as log:
            sent, times = self._sent, _Times(self._environment is None)
            sent.begin()
            deadline, error = Deadline(timeout, INIT_LIMIT), None
            with deadline:
                error = self._load()
                times.loaded = time.monotonic()
                if error is None:
                    deadline.start(timeout)
                    self._handle(event, deadline, headers)
            error = error or sent.error
            if deadline.passed:
                error = _late(event.request_id, timeout, error)
                self._environment = None
                asynchrony.close()
            if error is not None and error.type == KeyboardInterrupt.__name__:
                raise KeyboardInterrupt
            duration, init = times.of_now()
            report = InvocationReport(
                *(event.request_id, self._log_stream, times.started, duration, self._function.memory, 0),
                *(log(), init, error),
            )
            return Result(sent.chunks, sent.content_type, sent.streaming, error, report)

    def close(self) -> None:
        """Stop what the handler has started, and let the plugins know."""
        environment, self._environment = self._environment, None
        if environment is not None:
            with self._surroundings.entered(self._variables(Event(b"", ""))):
                self._surroundings.show_own()
                environment.function.stop()
                environment.function.notify("shutdown", reason="exit")
        self._surroundings.leave()

    def _variables(self, event: Event) -> dict[str, str]:
        values = variables(self._function, "", self._log_stream)
        del values["AWS_LAMBDA_RUNTIME_API"]
        return {**values, protocol.TRACE_VARIABLE: event.trace_id}

    def _load(self) -> FunctionError | None:
        """Load the function, unless it is loaded; returns the init error."""
        if self._environment is not None:
            self._surroundings.show_own()
            return None
        log = Log(*log_settings(os.environ))
        choice = None
        try:
            settings = Settings.from_environ(os.environ)
            choice = choose(settings.handler, settings.root, settings.convention, settings.plugins)
            self._surroundings.show_own()
            function = choice.load()
            function.start()
        except BaseException as error:  # noqa: BLE001 - any exception of the user's module is an init error
            return FunctionError.from_report(error_reports.to_json(init_report(error, choice, log)))
        function.notify("startup", function=function)
        signals = Signals()
        signals.guard = _guard()
        self._encoding = settings.encoding
        self._environment = Environment(RuntimeClient(self._sent, log), function, log, signals)
        return None

    def _handle(self, event: Event, deadline: Deadline, headers: Mapping[str, str]) -> None:
        assert self._environment is not None  # noqa: S101 - it has been loaded
        exchange = Exchange(event, int((time.time() + deadline.seconds) * 1000), "")
        invocation = Invocation(event.body, Headers([*exchange.headers(), *headers.items()]), self._encoding)
        _guard().active = True
        try:
            self._environment.handle(invocation)
        finally:
            _guard().active = False


class _Times:
    """When an event was handed over, and when the function was loaded."""

    def __init__(self, is_new: bool) -> None:
        self.started = time.time()
        self._is_new = is_new
        self._began = self.loaded = time.monotonic()

    def of_now(self) -> tuple[float, float | None]:
        """The milliseconds of the invocation, and those of loading if the function was not loaded before."""
        init = (self.loaded - self._began) * 1000 if self._is_new else None
        return (time.monotonic() - self.loaded) * 1000, init


class _Sent(Transport):
    """Takes the place of the Runtime API: keeps what the environment sends about one event."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget the last event."""
        self.chunks: list[Chunk] = []
        self.content_type = ""
        self.streaming = False
        self.error: FunctionError | None = None
        self._started = time.monotonic()

    def post(
        self,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        then: str | None = None,
        between: Callable[[], None] | None = None,
    ) -> Reply:
        """Keep an answer or an error."""
        del then
        if path.endswith("/error"):
            self.error = FunctionError.from_report(body, headers.get(protocol.ERROR_TYPE, ""))
        else:
            self.content_type = headers["Content-Type"]
            self._keep(body)
        if between is not None:
            between()
        return Reply(202, Headers(), b"")

    def stream(
        self, path: str, headers: Mapping[str, str], chunks: Iterable[bytes], trailers: Callable[[], Mapping[str, str]]
    ) -> Reply:
        """Keep the chunks with their times."""
        del path
        self.streaming = True
        self.content_type = headers["Content-Type"]
        for chunk in chunks:
            self._keep(chunk)
        failure = trailers()
        if failure:
            self.error = FunctionError.from_trailers(failure[protocol.ERROR_TYPE], failure[protocol.ERROR_BODY])
        return Reply(202, Headers(), b"")

    def _keep(self, chunk: bytes) -> None:
        if chunk:
            self.chunks.append(Chunk(chunk, time.monotonic() - self._started))


def _late(request_id: str, timeout: float, error: FunctionError | None) -> FunctionError:
    """The platform's error for an event that took too long, with the trace of where it was interrupted."""
    late = timed_out(request_id, timeout)
    trace = error.report.get("stackTrace", []) if error else []
    if all(LIBRARY in entry for entry in trace):
        trace = _waiting() or trace
    return replace(late, body=json.dumps({**late.report, "requestId": request_id, "stackTrace": trace}).encode())


def _waiting() -> list[str]:
    """Where coroutines are waiting, as the entries of a stack trace; the event loop's own frames do not show it."""
    frames: list[FrameType] = []
    for task in asyncio.all_tasks(asynchrony.event_loop()[0]):
        coroutine: Any = task.get_coro()
        while coroutine is not None:
            frames += filter(None, [getattr(coroutine, "cr_frame", None)])
            coroutine = getattr(coroutine, "cr_await", None)
    own = [(frame, frame.f_lineno) for frame in frames if not frame.f_code.co_filename.startswith((LIBRARY, *OURS))]
    return traceback.StackSummary.extract(own).format()


class _Guard(ForkGuard):
    """Ends a process that the handler has forked, and leaves alone those that the test runner has forked."""

    def __init__(self) -> None:
        super().__init__()
        self.active = False
        os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        self.in_child = self.active


@cache
def _guard() -> _Guard:
    return _Guard()


_process = threading.Lock()
_has_process: ContextVar[bool] = ContextVar("has_process", default=False)


@contextmanager
def alone() -> Iterator[None]:
    """Keep other threads from running functions meanwhile; a function that invokes others has the process already."""
    if _has_process.get():
        yield
        return
    with _process:
        token = _has_process.set(True)
        try:
            yield
        finally:
            _has_process.reset(token)


def outside_event_loops(work: Callable[[], Result]) -> Result:
    """Do the work, in another thread if an event loop is running in this one, as in a test that is `async def`."""
    loops = sys.modules.get("asyncio.events")
    if loops is None or loops._get_running_loop() is None:  # noqa: SLF001 - the public one raises
        return work()
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, work).result()
