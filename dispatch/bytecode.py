"""Tells which names a piece of compiled code uses, so that source and sourceless code are judged alike."""

from __future__ import annotations

from opcode import opname
from types import CodeType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_EXTENDED_ARG = "EXTENDED_ARG"


def binds(code: CodeType, name: str) -> bool:
    """Whether running a module's code binds the name: by def, class, import or assignment, not in a function."""
    return any(op == "STORE_NAME" and used == name for op, used in _name_operations(code))


def reads_global(code: CodeType, names: frozenset[str]) -> bool:
    """Whether the code, or a function or class in it, reads one of the names as a global."""
    if any(
        op.startswith(("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT")) and used in names
        for op, used in _name_operations(code)
    ):
        return True
    return any(reads_global(inner, names) for inner in code.co_consts if isinstance(inner, CodeType))


def _name_operations(code: CodeType) -> Iterator[tuple[str, str]]:
    """The operations on names, each with its name."""
    names, argument = code.co_names, 0
    units = code.co_code
    for position in range(0, len(units), 2):
        operation = opname[units[position]]
        argument = argument << 8 | units[position + 1]
        if operation == _EXTENDED_ARG:
            continue
        # The lowest bit of LOAD_GLOBAL's argument says whether a call follows (dis, "LOAD_GLOBAL").
        index = argument >> 1 if operation.startswith("LOAD_GLOBAL") else argument
        if operation.startswith(("STORE_NAME", "LOAD_NAME", "LOAD_GLOBAL")) and index < len(names):
            yield operation, names[index]
        argument = 0
