"""A command on a terminal: a pseudoterminal of which it is the foreground process."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import pytest

from support.process import INHERITED
from support.wire import PATIENCE

#: Makes a terminal the controlling one of a program, which then gets its signals.
SETSID = shutil.which("setsid")
CTRL_C = b"\x03"


class Terminal:
    """A command that runs on a terminal; `text` is what it and the terminal's echo have written so far."""

    def __init__(self, command: Sequence[str], cwd: Path, environment: Mapping[str, str] | None = None) -> None:
        if SETSID is None:
            pytest.skip("setsid gives a program a terminal: it comes with util-linux")
        self._master, slave = pty.openpty()
        kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
        # Whoever starts the tests in the background has SIGINT ignored, which children inherit.
        self.process = subprocess.Popen(
            ["env", "--default-signal=INT", SETSID, "--ctty", *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env={**kept, "TERM": "xterm", **(environment or {})},
        )
        os.close(slave)
        self.text = ""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while data := self._received():
            with self._changed:
                self.text += data.decode(errors="replace")
                self._changed.notify_all()

    def _received(self) -> bytes:
        try:
            return os.read(self._master, 65536)
        except OSError:  # Linux's answer once no process has the other end
            return b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.wait()
        os.close(self._master)

    def shows(self, text: str) -> None:
        """Wait until it has shown this."""
        with self._changed:
            assert self._changed.wait_for(lambda: text in self.text, PATIENCE), f"no {text!r} in {self.text!r}"

    def type(self, keys: bytes) -> None:
        """Type on its keyboard."""
        os.write(self._master, keys)

    def wait(self) -> int:
        """The exit status, once all that it wrote has been read."""
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status
