"""Checks, without starting it, that a file is a program that this system can start."""

from __future__ import annotations

import os
import sys

from dispatch.errors import HandlerNotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

#: The machines that an ELF file can be for (https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html), and the
#: 32-bit ones that a 64-bit one can also run.
_MACHINES = {3: "x86", 40: "arm", 62: "x86-64", 183: "aarch64", 243: "riscv64"}
_ALSO = {62: 3, 183: 40}

#: The first bytes of other systems' programs.
_OF_OTHERS = {
    b"MZ": "Windows",
    b"\xcf\xfa\xed\xfe": "macOS",
    b"\xce\xfa\xed\xfe": "macOS",
    b"\xca\xfe\xba\xbe": "macOS",
}

#: The type of the program header that names the loader (elf.h).
_PT_INTERP = 3

#: Lists the formats that the kernel has been taught to run, besides ELF and `#!`
#: (https://docs.kernel.org/admin-guide/binfmt-misc.html).
_FORMATS = "/proc/sys/fs/binfmt_misc"

#: How much of a file is read: the headers, and the loader's name behind them.
_START = 4096


def check(path: str) -> None:
    """Check that a program can be started; raises HandlerNotFound, which says what to do."""
    reason = _problem(path)
    if reason:
        raise HandlerNotFound(f"the program {path} cannot be started: {reason}")


def on_path(name: str) -> str | None:
    """The path of a program on `PATH`, or None."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, name)
        if name and folder and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def _problem(path: str) -> str:
    if not os.access(path, os.X_OK):
        return "it does not have the permission to be executed; set it with chmod +x"
    try:
        with open(path, "rb") as file:
            start = file.read(_START)
    except OSError:  # permission to execute does not imply permission to read
        return ""
    if start.startswith(b"#!"):
        return _problem_of_script(start[2:].partition(b"\n")[0])
    if not sys.platform.startswith("linux") or any(_formats(path, start)):
        return ""
    return _problem_of_binary(start)


def _problem_of_script(line: bytes) -> str:
    text = os.fsdecode(line)
    if text.endswith("\r"):
        return "its first line ends with a carriage return (\\r\\n, as on Windows); convert its line ends to \\n"
    words = text.split()
    if not words:
        return "its first line names no interpreter after #!; write #!/bin/sh"
    interpreter, *options = words
    if not os.path.isfile(interpreter):
        return f"the interpreter in its first line does not exist: {interpreter}"
    if not os.access(interpreter, os.X_OK):
        return f"the interpreter in its first line is not executable: {interpreter}"
    if os.path.basename(interpreter) == "env":
        return _problem_of_env(options[1:] if options[:1] == ["-S"] else options[:1])
    return ""


def _problem_of_env(words: list[str]) -> str:
    """The problem with the program that env is to find; options and variables are left to env."""
    name = words[0] if words else ""
    if not name or name.startswith("-") or "=" in name or "/" in name or on_path(name) is not None:
        return ""
    return f"env finds no {name} on PATH ({os.environ.get('PATH', '')})"


def _problem_of_binary(start: bytes) -> str:
    if not start.startswith(b"\x7fELF"):
        if start.startswith(b"\xef\xbb\xbf#!"):
            return "a byte-order mark comes before its #!; save it as UTF-8 without one"
        system = next((system for magic, system in _OF_OTHERS.items() if start.startswith(magic)), "")
        if system:
            return f"it is built for {system}; build it for Linux"
        return "it is neither a binary for Linux nor a script that starts with #!; write #!/bin/sh as its first line"
    machine, own = _machine(start), _own_machine()
    if own and machine not in {own, _ALSO.get(own)}:
        return f"it is built for {_named(machine)}, but this machine is {_named(own)}; build it for {_named(own)}"
    loader = _loader(start)
    if loader and not os.path.exists(loader):
        return f"its loader does not exist here: {loader}; build it on a system like this one, or link it statically"
    return ""


def _loader(start: bytes) -> str:
    """The program that loads an ELF file's shared libraries; empty if it has none, or none within these bytes."""
    wide = start[4:5] == b"\2"

    def number(place: int, size: int) -> int:
        return int.from_bytes(start[place : place + size], _byte_order(start))

    # The fields of both sizes of headers: elf.h, Elf32_Ehdr, Elf64_Ehdr, Elf32_Phdr, Elf64_Phdr.
    word, table, size, count, offset, length = (8, 32, 54, 56, 8, 32) if wide else (4, 28, 42, 44, 4, 16)
    for index in range(number(count, 2)):
        header = number(table, word) + index * number(size, 2)
        if number(header, 4) == _PT_INTERP:
            place = number(header + offset, word)
            return os.fsdecode(start[place : place + number(header + length, word)].partition(b"\0")[0])
    return ""


def _byte_order(start: bytes) -> Literal["big", "little"]:
    return "big" if start[5:6] == b"\2" else "little"


def _machine(start: bytes) -> int:
    """The machine that an ELF file is for, from the file's first bytes."""
    return int.from_bytes(start[18:20], _byte_order(start))


def _own_machine() -> int:
    try:
        with open("/proc/self/exe", "rb") as file:
            return _machine(file.read(20))
    except OSError:
        return 0


def _named(machine: int) -> str:
    return _MACHINES.get(machine, f"the machine {machine}")


def _formats(path: str, start: bytes) -> Iterator[bool]:
    """For each format that the kernel has been taught, such as another machine's programs: whether the file has it."""
    try:
        names = {*os.listdir(_FORMATS)} - {"register", "status"}
    except OSError:
        return
    for name in names:
        try:
            with open(os.path.join(_FORMATS, name), encoding="ascii") as file:
                lines = dict(line.strip().partition(" ")[::2] for line in file)
        except OSError:
            continue
        yield "enabled" in lines and _has_format(path, start, lines)


def _has_format(path: str, start: bytes, lines: dict[str, str]) -> bool:
    if "extension" in lines:
        return path.endswith(lines["extension"])
    magic = bytes.fromhex(lines.get("magic", ""))
    mask = bytes.fromhex(lines["mask"]) if "mask" in lines else b"\xff" * len(magic)
    found = start[int(lines.get("offset", "0")) :][: len(magic)]
    wanted = [byte & bit for byte, bit in zip(magic, mask, strict=False)]
    return bool(magic) and len(found) == len(magic) and wanted == [a & b for a, b in zip(found, mask, strict=False)]
