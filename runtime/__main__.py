"""The runtime's entry point, `python -P -m runtime [HANDLER]`: reads the environment, loads the function, serves it."""

from __future__ import annotations

import gc

#: Whether the garbage collector is on; not during our own imports, which leave nothing for it.
_COLLECTS = gc.isenabled()
gc.disable()

import os
import sys
from importlib import import_module

from dispatch import __version__, asynchrony, error_reports, exceptions
from dispatch.cold_start import import_lazily, when_imported
from dispatch.errors import DispatchError, RuntimeApiError, SettingError, Terminated
from dispatch.load import choose
from runtime.client import RuntimeClient
from runtime.environment import Environment, init_report
from runtime.lifecycle import Signals, leave
from runtime.logs import Log
from runtime.settings import Settings, log_settings, wrapped
from runtime.standard_streams import unbuffer
from runtime.transport import Address, transport_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from dispatch.error_reports import ErrorReport
    from dispatch.function import Function
    from dispatch.load import Choice
    from runtime.workers import Supervisor


def main(argv: list[str]) -> int:
    """Run until the process has to end; returns the exit status."""
    unbuffer()
    log = Log(*log_settings(os.environ))
    error_reports.log_warning = log.warning
    try:
        address = _address()
    except DispatchError as error:
        log.warning(str(error))
        return 1
    try:
        _wrap()
        settings = Settings.from_environ(os.environ, argv[1] if len(argv) > 1 else None)
        client = _client(address, settings, log)
    except DispatchError as error:
        return _init_error(_client(address, None, log), log, error_reports.report(error))
    if settings.workers == 1 or settings.concurrency:
        return work(_Start(settings, address, client, log))
    from runtime.workers import Supervisor

    supervisor = Supervisor(settings.workers, log)
    if settings.preload:
        return _preload(_Start(settings, address, client, log), supervisor)
    # A client connects when it is first used, so each worker gets a connection of its own.
    return supervisor.run(lambda: work(_Start(settings, address, client, log)))


def _wrap() -> None:
    """Replace this process by the program of `AWS_LAMBDA_EXEC_WRAPPER`, once. Raises SettingError."""
    command = wrapped(os.environ, [sys.executable, *sys.orig_argv[1:]])
    if not command:
        return
    try:
        os.execv(command[0], command)  # noqa: S606 - the platform names the program
    except OSError as error:
        raise SettingError(
            f"AWS_LAMBDA_EXEC_WRAPPER is {command[0]!r}, which cannot be started: {error.strerror}; "
            "set it to the path of an executable file, which needs a #! line if it is a script"
        ) from error


class _Start:
    """Loads the function, in the process that serves it or in the one that is forked, and keeps what both need.

    Attributes:
        settings, address, client, log: those of the process.
        signals: turns signals into the end of the process, from the load on.
        optional: the modules that only some settings need.
        choice: the convention chosen for the function; None before there is one.
        load: loads the function.
    """

    def __init__(self, settings: Settings, address: Address, client: RuntimeClient, log: Log) -> None:
        self.settings = settings
        self.address = address
        self.client = client
        self.log = log
        self.signals = Signals()
        self.signals.report = lambda error: log.error(error_reports.report(error))
        self.optional: dict[str, ModuleType] = {}
        self.choice: Choice | None = None
        self.load: Callable[[], Function] = self._load

    def _load(self) -> Function:
        settings = self.settings
        self.signals.install()
        self.optional = _optional(settings)
        when_imported("logging", self.log.set_up)
        os.chdir(settings.root)
        self.choice = choose(settings.handler, settings.root, settings.convention, settings.plugins)
        if settings.lazy and not import_lazily():
            self.log.warning(f"HANDLER_LAZY has no effect before Python 3.15; this is Python {sys.version.split()[0]}")
        if _COLLECTS:
            gc.freeze()  # otherwise the next allocation would have all of it looked at
            gc.enable()
        with self.signals.guard:
            return self.choice.load()

    def failed(self, error: BaseException) -> int:
        """Report an init error, unless it is what user code has made of our end; returns the exit status."""
        self.signals.check()
        self.client.init_error(init_report(error, self.choice, self.log))
        return 1


def work(start: _Start) -> int:
    """Load the function and serve it in this process; returns the exit status."""
    settings, log = start.settings, start.log
    if settings.log_socket:
        from runtime.workers import log_to

        try:
            log_to(settings.log_socket)
        except OSError as error:
            log.warning(f"cannot log to _LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET {settings.log_socket!r}: {error}")
    status = _live_and_end(lambda: _live(start), log, start.signals)
    start.client.close()
    return status


def _preload(start: _Start, supervisor: Supervisor) -> int:
    """Load the function once, then serve it in forked workers; returns the exit status."""
    from runtime.preload import Preload

    preload = Preload()

    def live() -> int:
        try:
            function = start.load()
            preload.get_ready(function)
        except Terminated:
            raise
        except BaseException as error:  # noqa: BLE001 - any exception of the user's module is an init error
            return start.failed(error)
        start.signals.check()
        start.load = lambda: preload.in_worker(function, start.signals)
        return preload.fork(supervisor, lambda: work(start))

    return _live_and_end(live, start.log, start.signals)


def _live_and_end(live: Callable[[], int], log: Log, signals: Signals) -> int:
    """Let the environment live, and end in order; returns the exit status."""
    reason, status = _until_the_end(live, log, signals)
    signals.arrive()
    # Here, while the time that user code has after SIGTERM is still limited.
    for what, close in (("handler", signals.stop), ("event loop", asynchrony.close)):
        try:
            close()
        except BaseException as error:  # noqa: BLE001 - from a second signal or a task; the hooks have to run anyway
            words = exceptions.message(error) or exceptions.error_type(error)
            log.warning(f"the {what} did not end cleanly: {words}")
    signals.leave_in_peace()
    signals.last_resort(reason)
    return status


def _until_the_end(live: Callable[[], int], log: Log, signals: Signals) -> tuple[str, int]:
    """Let the environment live; returns why it has ended, for the plugins, and the exit status."""
    try:
        try:
            status = live()
        except RuntimeApiError as error:
            log.warning(str(error))
            status = 1
        signals.arrive()
    except Terminated as end:
        return end.reason, end.status
    except KeyboardInterrupt:
        return "SIGINT", 130
    except SystemExit as end:
        # The user's own SIGTERM handler has called sys.exit() while the runtime was waiting.
        return "exit", end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the log gets no traceback of ours
        log.error(error_reports.report(error))
        return "exit", 1
    return "exit", status


def _live(start: _Start) -> int:
    """Load the function, run the hooks around a snapshot, and serve; returns the exit status if it cannot serve."""
    settings, client, log, signals = start.settings, start.client, start.log, start.signals
    try:
        function = start.load()
        if settings.concurrency:
            start.optional["concurrent"].check(function)
            asynchrony.share()
        with signals.guard:
            function.start()
        if "extension" in start.optional:
            start.optional["extension"].register(start.address)
    except Terminated:
        raise
    except BaseException as error:  # noqa: BLE001 - any exception of the user's module is an init error
        return start.failed(error)
    signals.stop = function.stop
    signals.last_resort = lambda reason: function.notify("shutdown", reason=reason)
    function.notify("startup", function=function)
    signals.check()
    environment = Environment(client, function, log, signals)
    status: int = start.optional["snapshot"].snapshot(environment) if settings.snap_start else 0
    if status:
        return status
    if settings.concurrency:
        another = lambda: Environment(_client(start.address, settings, log), function, log, signals)  # noqa: E731 - a name
        start.optional["concurrent"].serve(settings.workers, another, signals)
    return environment.serve()


def _init_error(client: RuntimeClient, log: Log, report: ErrorReport) -> int:
    """Log and report that the function could not be loaded; returns the exit status."""
    log.error(report)
    client.init_error(report)
    return 1


def _optional(settings: Settings) -> dict[str, ModuleType]:
    """The modules that only some settings need, imported before user code may claim the name `runtime`."""
    # An extension's name is unique, so only one of several workers could register; and the platform that runs several
    # workers always sends SIGTERM.
    extension = settings.shutdown and (settings.workers == 1 or settings.concurrency)
    wanted = {"snapshot": settings.snap_start, "concurrent": settings.concurrency, "extension": extension}
    return {name: import_module(f"runtime.{name}") for name, want in wanted.items() if want}


def _address() -> Address:
    text = os.environ.get("AWS_LAMBDA_RUNTIME_API")
    if not text:
        raise SettingError(
            "AWS_LAMBDA_RUNTIME_API is not set: Lambda or an emulator sets it and starts this runtime; "
            "to try a handler here, use: dispatch run HANDLER"
        )
    return Address.parse(text)


def _client(address: Address, settings: Settings | None, log: Log) -> RuntimeClient:
    transport = transport_class(settings.transport if settings else "socket")
    carrier = transport(address, f"dispatch/{__version__} python/{sys.version.split()[0]}")
    return RuntimeClient(carrier, log, settings.encoding if settings else "utf-8")


if __name__ == "__main__":
    leave(main(sys.argv))
