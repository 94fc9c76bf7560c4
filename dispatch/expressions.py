"""Fetches a handler that is written in the handler string itself."""

from __future__ import annotations

import sys

from dispatch.bytecode import bound, deferred, read, rebound
from dispatch.errors import MalformedHandlerName
from dispatch.modules import syntax_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType
    from typing import Any

#: The names that an expression may use without defining them.
_FREE = frozenset({"event", "headers"})

#: `ast.PyCF_ONLY_AST`, without importing ast.
_ONLY_AST = 0x400


def expression(source: str) -> Any:
    """Python source as a callable of `(event, headers)`, or as the value of its last statement.

    Statements before the first use of `event` or `headers` run once, now. From that statement on, everything runs for
    each event, and the last statement, an expression, is the answer. If no statement uses them, the value of the last
    one is the handler. A function also uses the event if it reads a global that a later statement derives from it.

    Raises:
        UserCodeSyntaxError: the source cannot be compiled.
        MalformedHandlerName: the source cannot be read, or does not end in an expression.
    """
    try:
        statements, answer = _parts(source)
    except SyntaxError as error:
        raise syntax_error("the handler, read as Python source,", error, _advice("; ", source)) from error
    except ValueError as error:
        raise MalformedHandlerName(f"the handler cannot be read as Python source: {error}") from error
    first = _first_for_each_event([*statements, answer])
    space = _expression_module().__dict__
    try:
        for code in statements[:first]:
            exec(code, space)  # noqa: S102 - the handler is the user's code
        if first > len(statements):
            return eval(answer, space)  # noqa: S307 - the handler is the user's code
    except NameError as error:
        if advice := _advice("", source):
            error.add_note(advice)
        raise

    def evaluate(event: Any, headers: Any) -> Any:
        scope = {**space, "event": event, "headers": headers}
        for code in statements[first:]:
            exec(code, scope)  # noqa: S102 - the handler is the user's code
        return eval(answer, scope)  # noqa: S307 - the handler is the user's code

    return evaluate


def _advice(before: str, source: str) -> str:
    """What to do if the source looks like a command line, because its first word is a program; else empty."""
    from shutil import which

    program = (source.split(maxsplit=1) or [""])[0]
    return f"{before}to run it as a command line, set HANDLER_CONVENTION=process" if which(program) else ""


def uses_only_the_event(source: str) -> bool:
    """Whether it is an expression that uses `event` or `headers` and no other name."""
    try:
        names = read(compile(source, "<handler>", "eval", dont_inherit=True))
    except (SyntaxError, ValueError):
        return False
    return bool(names) and names <= _FREE


def _first_for_each_event(parts: list[CodeType]) -> int:
    """The index of the first part that uses the event, directly or through a name that is bound for each event."""
    first = next((index for index, code in enumerate(parts) if _FREE & (read(code) | bound(code))), len(parts))
    while True:
        binds = {name for code in parts[first:] for name in bound(code) | rebound(code)}
        reads = _reached(parts[:first], {name for code in parts[first:] for name in read(code)})
        for index, code in enumerate(parts[:first]):
            # A function that reads a name bound for each event, or binds a name read for each event.
            if deferred(code) & binds or (rebound(code) & reads and bound(code) & reads):
                first = index
                break
        else:
            return first


def _reached(parts: list[CodeType], reads: set[str]) -> set[str]:
    """These names, and the names that functions with these names read in turn."""
    while True:
        more = reads.union(*[deferred(code) for code in parts if bound(code) & reads])
        if more == reads:
            return reads
        reads = more


def _parts(source: str) -> tuple[list[CodeType], CodeType]:
    """The statements, each compiled alone, and the expression that ends the source. Raises SyntaxError, ValueError."""
    tree = compile(source.strip(), "<handler>", "exec", _ONLY_AST, dont_inherit=True)
    body = tree.body
    if not body or type(body[-1]).__name__ != "Expr":
        raise MalformedHandlerName(
            f"the handler, read as Python source, must end in an expression, which becomes the answer: {source!r}"
        )
    return [_code(tree, [node]) for node in body[:-1]], _code(tree, body[-1])


def _code(tree: Any, nodes: Any) -> CodeType:
    """Compile a list of a tree's statements, or its last expression."""
    if isinstance(nodes, list):
        module = type(tree)(body=nodes, type_ignores=[])
        return compile(module, "<handler>", "exec", dont_inherit=True)
    from _ast import Expression

    return compile(Expression(body=nodes.value), "<handler>", "eval", dont_inherit=True)


def _expression_module() -> ModuleType:
    """A real module for an expression to live in, so that its functions and classes can be pickled."""
    from types import ModuleType

    module = sys.modules["__handler__"] = ModuleType("__handler__")
    return module
