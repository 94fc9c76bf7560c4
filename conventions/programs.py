"""Finds the program that a handler string names as a command line, and checks that it can be started."""

from __future__ import annotations

import os
import sys

from dispatch import modules
from dispatch.discovery import OF_A_PROGRAM
from dispatch.errors import HandlerNotFound, MalformedHandlerName
from dispatch.locate import Target, inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Characters that a shell's rules for words give a meaning; without them, words are what blanks separate.
_QUOTES = frozenset("'\"\\")

#: The machines that an ELF file can be for (https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html), and the
#: 32-bit ones that a 64-bit one can also run.
_MACHINES = {3: "x86", 40: "arm", 62: "x86-64", 183: "arm64", 243: "riscv64"}
_ALSO = {62: 3, 183: 40}

#: Lists the formats that the kernel has been taught to run, besides ELF and `#!`.
_FORMATS = "/proc/sys/fs/binfmt_misc"


def command_line(spec: str, root: str) -> Target | None:
    """The target of a command line, whose `find` returns the program's path and its arguments as a list.

    Args:
        spec: words as a shell separates them; the first one is a path below the task root, or a name on `PATH`.
        root: the task root.
    """
    try:
        words = _words(spec)
    except ValueError as error:
        raise MalformedHandlerName(f"the handler {spec!r} is not a command line: {error}") from None
    if not words:
        return None
    name, *arguments = words
    path = _found(name, root)

    def find() -> list[str]:
        if path is None:
            raise HandlerNotFound(
                f"no program {name!r} in {root} or on PATH ({os.environ.get('PATH', '')}); "
                f"{modules.listing(root, name)}"
            )
        return [path, *arguments]

    description = f"the program {path or name}" + (f" with the arguments {arguments}" if arguments else "")
    return Target(OF_A_PROGRAM, description, find, path)


def _words(spec: str) -> list[str]:
    if _QUOTES.isdisjoint(spec):
        return spec.split()
    import shlex

    return shlex.split(spec)


def _found(name: str, root: str) -> str | None:
    path = inside(name, root) if name else None
    if path is not None and os.path.isfile(path):
        return path
    return None if "/" in name else on_path(name)


def on_path(name: str) -> str | None:
    """The path of a program on `PATH`, or None."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, name)
        if folder and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def check(path: str) -> None:
    """Check, without starting it, that a program can be started; raises HandlerNotFound, which says what to do."""
    reason = _problem(path)
    if reason:
        raise HandlerNotFound(f"the program {path} cannot be started: {reason}")


def _problem(path: str) -> str:
    if not os.access(path, os.X_OK):
        return "its permission to be executed is missing; set it with chmod +x"
    try:
        with open(path, "rb") as file:
            start = file.read(1024)
    except OSError:  # permission to execute does not imply permission to read
        return ""
    if start.startswith(b"#!"):
        return _problem_of_script(start[2:].partition(b"\n")[0])
    return "" if not sys.platform.startswith("linux") or _runs_other_formats() else _problem_of_binary(start)


def _problem_of_binary(start: bytes) -> str:
    if not start.startswith(b"\x7fELF"):
        return "it is neither a binary for Linux nor a script that starts with #!; write #!/bin/sh as its first line"
    machine, own = _machine(start), _own_machine()
    if own and machine not in {own, _ALSO.get(own)}:
        return f"it is built for {_named(machine)}, but this machine is {_named(own)}"
    return ""


def _problem_of_script(line: bytes) -> str:
    text = os.fsdecode(line)
    if text.endswith("\r"):
        return "its first line ends with a carriage return (\\r\\n, as on Windows); convert its line ends to \\n"
    words = text.split()
    if not words:
        return "its first line names no interpreter after #!; write #!/bin/sh"
    if not os.path.isfile(words[0]):
        return f"the interpreter in its first line does not exist: {words[0]}"
    if os.path.basename(words[0]) == "env" and len(words) == 2 and on_path(words[1]) is None:
        return f"env finds no {words[1]} on PATH ({os.environ.get('PATH', '')})"
    return ""


def _runs_other_formats() -> bool:
    try:
        return bool({*os.listdir(_FORMATS)} - {"register", "status"})
    except OSError:
        return False


def _machine(start: bytes) -> int:
    """The machine that an ELF file is for, from the file's first bytes."""
    return int.from_bytes(start[18:20], "big" if start[5:6] == b"\2" else "little")


def _own_machine() -> int:
    try:
        with open("/proc/self/exe", "rb") as file:
            return _machine(file.read(20))
    except OSError:
        return 0


def _named(machine: int) -> str:
    return _MACHINES.get(machine, f"the machine {machine}")


def argv(user_object: Any) -> list[str]:
    """The command line in what a target's `find` returned: a path, or a path and arguments. Raises HandlerNotFound."""
    words = [user_object] if isinstance(user_object, str) else user_object
    if not (isinstance(words, list) and words and all(isinstance(word, str) for word in words)):
        raise HandlerNotFound(f"the handler is not a program: {modules.described(user_object)}")
    check(words[0])
    return words
