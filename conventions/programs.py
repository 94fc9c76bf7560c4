"""Finds the program that a handler string names as a command line."""

from __future__ import annotations

import os

from conventions.program_files import check, on_path
from dispatch import modules
from dispatch.discovery import OF_A_PROGRAM
from dispatch.errors import HandlerNotFound, MalformedHandlerName
from dispatch.locate import Target, inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Characters that a shell's rules for words give a meaning; without them, words are what blanks separate.
_QUOTES = frozenset("'\"\\")

#: Words that only a shell understands, if they are not in quotes.
_OPERATORS = frozenset({"|", "||", "&&", "&", ";", ">", ">>", "<", "<<", "2>", "2>&1"})


def command_line(spec: str, root: str) -> Target | None:
    """The target of a command line, whose `find` returns the program's path and its arguments as a list.

    Args:
        spec: words as a shell separates them; the first one is a path below the task root, or a name on `PATH`.
        root: the task root.
    """
    words = _words(spec)
    if not words:
        return None
    name, *arguments = words
    path = _found(name, root)

    def find() -> list[str]:
        if path is None:
            raise HandlerNotFound(_missing(name, root))
        return [path, *arguments]

    description = f"the program {path or name}" + (f" with the arguments {arguments}" if arguments else "")
    return Target(OF_A_PROGRAM, description, find, path)


def _words(spec: str) -> list[str]:
    if "\0" in spec:
        raise MalformedHandlerName(f"the handler {spec!r} is not a command line: it has a NUL character")
    if spec.isascii() and _QUOTES.isdisjoint(spec):
        words = unquoted = spec.split()
    else:
        import shlex

        try:
            words = shlex.split(spec)
        except ValueError as error:
            raise MalformedHandlerName(f"the handler {spec!r} is not a command line: {error}") from None
        unquoted = _blotted(spec).split()
    operator = next((word for word in unquoted if word in _OPERATORS), None)
    if operator is not None:
        whole = spec if unquoted is words else "…"
        raise MalformedHandlerName(
            f"the handler {spec!r} has the operator {operator}, but no shell reads it; "
            f"write it in quotes, or let a shell run the whole: sh -c '{whole}'"
        )
    return words


def _blotted(spec: str) -> str:
    """A command line with an x for each quote and each character that is quoted or not ASCII."""
    blotted, quote, escaped = "", "", False
    for character in spec:
        plain = character.isascii() and not quote and not escaped and character not in _QUOTES
        blotted += character if plain else "x"
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif character in (quote or "'\""):
            quote = "" if quote else character
    return blotted


def _found(name: str, root: str) -> str | None:
    """The file in the task root, or the program on `PATH`. A file that is not executable is the last choice."""
    path = inside(name, root) if name else None
    own = path if path is not None and os.path.isfile(path) else None
    if own is not None and ("/" in name or os.access(own, os.X_OK)):
        return own
    return own if "/" in name else on_path(name) or own


def _missing(name: str, root: str) -> str:
    if name and os.path.isdir(os.path.join(root, name)):
        return f"{name} in {root} is a folder, not a program; {modules.listing(root, os.path.join(name, '_'))}"
    where = root if "/" in name else f"{root} or on PATH ({os.environ.get('PATH', '')})"
    return f"no program {name!r} in {where}; {modules.listing(root, name)}"


def argv(user_object: Any) -> list[str]:
    """The command line in what a target's `find` returned: a path, or a path and arguments. Raises HandlerNotFound."""
    words = [user_object] if isinstance(user_object, str) else user_object
    if not (isinstance(words, list) and words and all(isinstance(word, str) for word in words)):
        raise HandlerNotFound(f"the handler is not a program: {modules.described(user_object)}")
    check(words[0])
    return words
