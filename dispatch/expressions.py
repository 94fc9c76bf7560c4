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

#: What an expression may use without defining it.
_FREE = frozenset({"event", "headers"})

#: ast.PyCF_ONLY_AST, without importing ast.
_ONLY_AST = 0x400


def expression(source: str) -> Any:
    """Python source as a callable of `(event, headers)`, or as the value of its last statement.

    Statements that use neither `event` nor `headers` run once, now. From the first that does, everything runs for each
    event, and the last one, an expression, is the answer. If none does, the value of the last one is the handler. A
    function uses the event, too, if it reads a global that a later statement makes of it.
    """
    try:
        statements, answer = _parts(source)
    except SyntaxError as error:
        raise syntax_error("the handler, read as Python source,", error) from error
    except ValueError as error:
        raise MalformedHandlerName(f"the handler cannot be read as Python source: {error}") from error
    first = _first_for_each_event([*statements, answer])
    space = _expression_module().__dict__
    for code in statements[:first]:
        exec(code, space)  # noqa: S102 - the handler is the user's code
    if first > len(statements):
        return eval(answer, space)  # noqa: S307 - the handler is the user's code

    def evaluate(event: Any, headers: Any) -> Any:
        scope = {**space, "event": event, "headers": headers}
        for code in statements[first:]:
            exec(code, scope)  # noqa: S102 - the handler is the user's code
        return eval(answer, scope)  # noqa: S307 - the handler is the user's code

    return evaluate


def uses_only_the_event(source: str) -> bool:
    """Whether it is an expression of ``event`` and ``headers`` that names nothing else."""
    try:
        names = read(compile(source, "<handler>", "eval", dont_inherit=True))
    except (SyntaxError, ValueError):
        return False
    return bool(names) and names <= _FREE


def _first_for_each_event(parts: list[CodeType]) -> int:
    """The index of the first part that uses the event, itself or by a name that is bound for each event."""
    first = next((index for index, code in enumerate(parts) if _FREE & (read(code) | bound(code))), len(parts))
    while True:
        binds = {name for code in parts[first:] for name in bound(code) | rebound(code)}
        reads = _reached(parts[:first], {name for code in parts[first:] for name in read(code)})
        for index, code in enumerate(parts[:first]):
            # A function that looks up what is bound for each event, or binds what is read for each event.
            if deferred(code) & binds or (rebound(code) & reads and bound(code) & reads):
                first = index
                break
        else:
            return first


def _reached(parts: list[CodeType], reads: set[str]) -> set[str]:
    """These names, and those that functions of these names read in their turn."""
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
            f"the handler {source!r}, read as Python source, does not end in an expression, which would be the answer"
        )
    return [_code(tree, [node]) for node in body[:-1]], _code(tree, body[-1])


def _code(tree: Any, nodes: Any) -> CodeType:
    """Some of a tree's statements, or its last expression, compiled."""
    if isinstance(nodes, list):
        module = type(tree)(body=nodes, type_ignores=[])
        return compile(module, "<handler>", "exec", dont_inherit=True)
    from _ast import Expression

    return compile(Expression(body=nodes.value), "<handler>", "eval", dont_inherit=True)


def _expression_module() -> ModuleType:
    """A real module for an expression to live in, so that what it defines can be pickled."""
    from types import ModuleType

    module = sys.modules["__handler__"] = ModuleType("__handler__")
    return module
