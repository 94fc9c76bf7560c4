"""Workers: waited for until they poll, found by Linux's list of processes; and the socket from which each gets its log."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from pathlib import Path
from typing import Self

from support.process import await_true, children
from support.runtime import Runtime
from support.wire import PATIENCE


def polls(runtime: Runtime) -> int:
    """How many connections have asked for an event."""
    return len({request.connection for request in runtime.api.finished("GET", "next")})


def ready(runtime: Runtime, connections: int = 2) -> list[int]:
    """Wait until so many connections have polled; the workers' processes."""
    runtime.api.wait(lambda: polls(runtime) >= connections, f"{connections} polling workers")
    return children(runtime.child.process.pid)


def gone(process: int) -> bool:
    """Whether there is no such process any more, or it only waits to be buried."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def end_at_start(runtime: Runtime) -> None:
    """Send SIGTERM while workers are being started: it reaches those that there are, and the runtime ends well."""
    supervisor = runtime.child.process.pid
    await_true(lambda: children(supervisor), "a worker")
    workers = children(supervisor)
    runtime.child.signal(signal.SIGTERM)
    assert 0 == runtime.child.wait()
    assert all(gone(worker) for worker in workers)


class LogServer:
    """The platform's log socket: keeps what each connection wrote."""

    def __init__(self, path: Path) -> None:
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen()
        self.heard = threading.Condition()
        self.logs: list[bytearray] = []
        self.ended = 0
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.accepting.join()
        self.listener.close()

    def wait_ended(self, connections: int) -> list[str]:
        """Wait until so many connections have ended; what each of them wrote, sorted."""
        with self.heard:
            assert self.heard.wait_for(lambda: self.ended == connections, PATIENCE)
        return sorted(log.decode() for log in self.logs)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.logs.append(bytearray())
                threading.Thread(target=self._read, args=(connection, self.logs[-1]), daemon=True).start()

    def _read(self, connection: socket.socket, log: bytearray) -> None:
        with connection:
            while data := connection.recv(65536):
                with self.heard:
                    log += data
        with self.heard:
            self.ended += 1
            self.heard.notify_all()
