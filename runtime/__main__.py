"""``python -P -m runtime [HANDLER]``: the runtime, from the environment to the last event."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from dispatch import __version__, calling
from dispatch.errors import DispatchError, RuntimeApiError, SettingError
from dispatch.load import Function, load
from runtime import loop
from runtime.client import RuntimeClient
from runtime.lifecycle import Signals, Terminated, leave
from runtime.logs import Log, unbuffer
from runtime.settings import Settings
from runtime.transport import Address, transport_class


def main(argv: list[str]) -> int:
    """Run until told to end; returns the exit status."""
    log = Log()
    unbuffer()
    try:
        address = _address()
    except DispatchError as error:
        log.warning(str(error))
        return 1
    try:
        settings = Settings(os.environ, argv[1] if len(argv) > 1 else None)
    except DispatchError as error:
        _client(address, "socket", log).init_error(error)
        return 1
    if settings.workers == 1:
        return work(settings, address, log)
    from runtime.workers import supervise

    return supervise(settings.workers, lambda: work(settings, address, log), log)


def work(settings: Settings, address: Address, log: Log) -> int:
    """One execution environment: load the function, then serve it; returns the exit status."""
    signals = Signals()
    signals.install()
    client = _client(address, settings.transport, log, settings)
    reason, status = "exit", 1
    try:
        function = _loaded(settings, client)
        if function is not None:
            signals.last_resort = _shutdown(function)
            if function.startup:
                function.startup(function=function)
            loop.serve(client, function, signals)
    except Terminated as end:
        reason, status = end.reason, end.status
    except SystemExit as end:
        # A SIGTERM handler of the user's own, which sys.exit()s while the runtime waits.
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except RuntimeApiError as error:
        log.warning(str(error))
    signals.settle()
    signals.last_resort(reason)
    client.close()
    return status


def _loaded(settings: Settings, client: RuntimeClient) -> Function | None:
    """The function; None if there is none, which was reported."""
    try:
        os.chdir(settings.root)
        return load(settings.handler, settings.root, settings.convention, settings.plugins)
    except Terminated:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever the user's module raises is an init error
        client.init_error(error)
        return None


def _shutdown(function: Function) -> Callable[[str], None]:
    def shut_down(reason: str) -> None:
        calling.close()
        if function.shutdown:
            function.shutdown(reason=reason)

    return shut_down


def _address() -> Address:
    text = os.environ.get("AWS_LAMBDA_RUNTIME_API")
    if not text:
        raise SettingError(
            "AWS_LAMBDA_RUNTIME_API is not set: this is the runtime that Lambda or an emulator starts; "
            "to try a handler here, use: dispatch run HANDLER"
        )
    return Address(text)


def _client(address: Address, transport: str, log: Log, settings: Settings | None = None) -> RuntimeClient:
    user_agent = f"dispatch/{__version__} python/{sys.version.split()[0]}"
    carrier = transport_class(transport)(address, user_agent)
    if settings is None:
        return RuntimeClient(carrier, log)
    return RuntimeClient(carrier, log, settings.encoding, managed=settings.convention == "lambda")


if __name__ == "__main__":
    leave(main(sys.argv))
