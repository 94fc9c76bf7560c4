"""The runtime's entry point, `python -P -m runtime [HANDLER]`: reads the environment, loads the function, serves it."""

from __future__ import annotations

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
    except DispatchError as error:
        return _init_error(_client(address, None, log), log, error_reports.report(error))
    if settings.workers == 1 or settings.concurrency:
        return work(settings, address, log)
    from runtime.workers import supervise

    return supervise(settings.workers, lambda: work(settings, address, log), log)


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


def work(settings: Settings, address: Address, log: Log) -> int:
    """Load the function and serve it in this process; returns the exit status."""
    if settings.log_socket:
        from runtime.workers import log_to

        try:
            log_to(settings.log_socket)
        except OSError as error:
            log.warning(f"cannot log to _LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET {settings.log_socket!r}: {error}")
    try:
        client = _client(address, settings, log)
    except DispatchError as error:
        return _init_error(_client(address, None, log), log, error_reports.report(error))
    signals = Signals()
    signals.report = lambda error: log.error(error_reports.report(error))
    reason, status = _until_the_end(lambda: _live(settings, address, client, log, signals), log, signals)
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
    client.close()
    return status


def _until_the_end(live: Callable[[], int], log: Log, signals: Signals) -> tuple[str, int]:
    """Let the environment live; returns why it has ended, for the plugins, and the exit status."""
    try:
        try:
            signals.install()
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


def _live(settings: Settings, address: Address, client: RuntimeClient, log: Log, signals: Signals) -> int:
    """Load the function, run the hooks around a snapshot, and serve; returns the exit status if it cannot serve."""
    optional = _optional(settings)
    when_imported("logging", log.set_up)
    choice = None
    try:
        os.chdir(settings.root)
        choice = choose(settings.handler, settings.root, settings.convention, settings.plugins)
        if settings.lazy and not import_lazily():
            log.warning(f"HANDLER_LAZY has no effect before Python 3.15; this is Python {sys.version.split()[0]}")
        with signals.guard:
            function = choice.load()
        if settings.concurrency:
            optional["concurrent"].check(function)
            asynchrony.share()
        with signals.guard:
            function.start()
        if "extension" in optional:
            optional["extension"].register(address)
    except Terminated:
        raise
    except BaseException as error:  # noqa: BLE001 - any exception of the user's module is an init error
        signals.check()  # unless it is what user code has made of our end
        client.init_error(init_report(error, choice, log))
        return 1
    signals.stop = function.stop
    signals.last_resort = lambda reason: function.notify("shutdown", reason=reason)
    function.notify("startup", function=function)
    signals.check()
    environment = Environment(client, function, log, signals)
    status: int = optional["snapshot"].snapshot(environment) if settings.snap_start else 0
    if status:
        return status
    if settings.concurrency:
        another = lambda: Environment(_client(address, settings, log), function, log, signals)  # noqa: E731 - a name
        optional["concurrent"].serve(settings.workers, another, signals)
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
