"""Finds the names that compiled code binds and reads, so that source and sourceless code are treated alike."""

from __future__ import annotations

from opcode import opname
from types import CodeType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_EXTENDED_ARG = "EXTENDED_ARG"
_ON_NAMES = ("STORE_NAME", "STORE_GLOBAL", "LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT")

#: Operations that load a constant or a module, so that the name bound next is not a function.
_NO_FUNCTION = frozenset({"LOAD_CONST", "LOAD_SMALL_INT", "IMPORT_NAME"})


def binds(code: CodeType, name: str) -> bool:
    """Whether running a module's code binds the name to a possible function: by def, class, import or assignment."""
    return any(
        op == "STORE_NAME" and used == name and before not in _NO_FUNCTION
        for before, op, used in _name_operations(code)
    )


def bound(code: CodeType) -> set[str]:
    """The names that running a module's code binds, without those that are bound only when a function is called."""
    return {used for _, op, used in _name_operations(code) if op in {"STORE_NAME", "STORE_GLOBAL"}}


def read(code: CodeType) -> set[str]:
    """The names that the code, or a function or class inside it, reads as globals."""
    return _used(code, ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT"))


def mentioned(code: CodeType) -> set[str]:
    """All names in the code, or in a function or class inside it: of globals, attributes and modules."""
    return {*code.co_names}.union(*[mentioned(inner) for inner in code.co_consts if isinstance(inner, CodeType)])


def deferred(code: CodeType) -> set[str]:
    """The names that functions and classes in the code read as globals, possibly later than the code itself runs."""
    return set().union(*[read(inner) for inner in code.co_consts if isinstance(inner, CodeType)])


def rebound(code: CodeType) -> set[str]:
    """The names that the code, or a function or class inside it, declares `global` and binds."""
    return _used(code, ("STORE_GLOBAL",))


def _used(code: CodeType, operations: tuple[str, ...]) -> set[str]:
    used = {name for _, operation, name in _name_operations(code) if operation.startswith(operations)}
    return used.union(*[_used(inner, operations) for inner in code.co_consts if isinstance(inner, CodeType)])


def _name_operations(code: CodeType) -> Iterator[tuple[str, str, str]]:
    """Each operation on a name, as the operation before it, the operation itself, and the name."""
    names, argument, before, operation = code.co_names, 0, "", ""
    units = code.co_code
    for position in range(0, len(units), 2):
        if operation != _EXTENDED_ARG:
            before = operation
        operation = opname[units[position]]
        argument = argument << 8 | units[position + 1]
        if operation == _EXTENDED_ARG:
            continue
        # The lowest bit of LOAD_GLOBAL's argument is set if a call follows (dis, "LOAD_GLOBAL").
        index = argument >> 1 if operation.startswith("LOAD_GLOBAL") else argument
        if operation.startswith(_ON_NAMES) and index < len(names):
            yield before, operation, names[index]
        argument = 0
