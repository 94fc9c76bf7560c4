"""The `shell` convention: a function in a file of shell functions, called by bash for each event.

A handler string `folder/file.function` names `function` in `folder/file.sh`, as in AWS's tutorial for a custom runtime
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-walkthrough.html).
"""

from __future__ import annotations

import os

from conventions import child, programs
from conventions.process import running
from dispatch import modules
from dispatch.errors import ExitError, HandlerNotFound, ImportModuleError, UserCodeSyntaxError
from dispatch.invocation import Invocation
from dispatch.locate import Target, shell_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dispatch.types import Conventions, Handler

#: Loads the file that is called $0. What it prints belongs to the log, and the event is not for it to read.
_LOAD = 'source "$0" >&2 </dev/null\n'

#: Puts the event into a variable without losing line ends; /dev/stdin starts again at the event's first byte. An
#: argument of a function has no limit, unlike an argument of a program (man 2 execve).
_READ = "IFS= read -r -d '' REPLY </dev/stdin\n"


def shell(user_object: Any) -> Handler:
    """function(): the event as "$1" and on standard input, the answer on standard output."""
    path, function = user_object
    bash = programs.on_path("bash")
    if bash is None:
        raise HandlerNotFound(f"the shell convention needs bash, which is not on PATH ({os.environ.get('PATH', '')})")
    _check(bash, path, function)
    return running([bash, "-c", f'{_LOAD}{_READ}{function} "$REPLY"', path])


def _check(bash: str, path: str, function: str) -> None:
    """Load the file once, as a module is imported, and look for the function in it."""
    nothing = Invocation(b"")
    try:
        child.whole(child.run([bash, "-n", path], nothing))
    except ExitError as error:
        raise UserCodeSyntaxError(f"{path} has a syntax error: {error}") from None
    try:
        listed = child.whole(child.run([bash, "-c", f"{_LOAD}declare -F", path], nothing))
    except ExitError as error:
        raise ImportModuleError(f"{path} cannot be loaded: {error}") from None
    names = [line.split()[-1] for line in listed.decode("utf-8", "replace").splitlines()]
    if function not in names:
        raise HandlerNotFound(
            f"no function {function} in {path}; it has: {', '.join(names) or 'no functions'}"
            + ("; chmod +x makes the file a program" if function == "sh" else "")
        )


def _located(spec: str, root: str) -> Target:
    """The target of `folder/file.function`. A missing file is an error of `find`."""
    target = shell_function(spec, root)
    if target is not None:
        return target

    def find() -> Any:
        file, dot, function = spec.rpartition(".")
        if not dot or not function:
            raise HandlerNotFound(
                f"the handler {spec!r} does not name a shell function; write file.function for file.sh"
            )
        raise ImportModuleError(f"no file {file}.sh in {root}; {modules.listing(root, file)}")

    return Target("", f"the shell function {spec}", find)


shell.accepts_object = True  # type: ignore[attr-defined]
shell.locate = _located  # type: ignore[attr-defined]


def dispatch_conventions() -> Conventions:
    """The convention for shell functions."""
    return {"shell": shell}
