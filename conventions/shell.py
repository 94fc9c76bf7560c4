"""The `shell` convention: a function in a file of shell functions, called by bash for each event.

A handler string `folder/file.function` names `function` in `folder/file.sh`, as in AWS's tutorial for a custom runtime
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-walkthrough.html).
"""

from __future__ import annotations

import os

from conventions.output import whole
from conventions.process import running
from conventions.program_files import on_path
from dispatch import modules
from dispatch.errors import ExitError, HandlerNotFound, ImportModuleError, UserCodeSyntaxError
from dispatch.invocation import Invocation
from dispatch.locate import Target, shell_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dispatch.types import Conventions, Handler

#: Loads the file that is called $0. Its output belongs to the log, and the event is not for it to read. The builtins
#: are called as such, because the file may have functions with their names.
_LOAD = 'builtin source "$0" >&2 </dev/null\n'

#: Puts the event into a variable without losing line ends; /dev/stdin starts again at the event's first byte. An
#: argument of a function has no limit, unlike an argument of a program (man 2 execve). `read` fails because no NUL ends
#: the event, which must not end a shell in which the file has set -e.
_READ = "IFS= builtin read -r -d '' REPLY </dev/stdin || builtin :\n"


def shell(user_object: Any) -> Handler:
    """function(): the event as "$1" and on standard input, the answer on standard output."""
    path, function = _checked(user_object)
    bash = on_path("bash")
    if bash is None:
        raise HandlerNotFound(f"the shell convention needs bash, which is not on PATH ({os.environ.get('PATH', '')})")
    _check(bash, path, function)
    # In quotes, so that a function may have the name of a keyword.
    call = f"{_LOAD}{_READ}'{function}' \"$REPLY\""
    return running([bash, "-c", call, path], f"{function} in {os.path.basename(path)}")


def _checked(user_object: Any) -> tuple[str, str]:
    if isinstance(user_object, tuple) and len(user_object) == 2:
        return user_object
    raise HandlerNotFound(
        f"the handler is not a shell function: {modules.described(user_object)}; write file.function for file.sh"
    )


def _check(bash: str, path: str, function: str) -> None:
    """Load the file once, as a module is imported, and look for the function in it."""
    try:
        _parse(bash, path)
    except ExitError as error:
        raise UserCodeSyntaxError(f"{path} has a syntax error: {error}{_of_windows(path)}") from None
    try:
        listed = whole([bash, "-c", f"{_LOAD}builtin declare -F", path], Invocation(b""), "bash")
    except ExitError as error:
        raise ImportModuleError(f"{path} cannot be loaded: {error}") from None
    # The file may have a trap that writes when the shell ends.
    lines = listed.decode("utf-8", "replace").splitlines()
    names = [line.split()[-1] for line in lines if line.startswith("declare -f")]
    if function not in names:
        advice = ""
        if function == "sh":
            advice = "; chmod +x makes the file a program"
        elif f"\ufeff{function}" in names:
            advice = f"; a byte-order mark comes before {function}; save the file as UTF-8 without one"
        raise HandlerNotFound(f"no function {function} in {path}; it has: {', '.join(names) or 'no functions'}{advice}")


def _of_windows(path: str) -> str:
    """What to do if the file has the line ends of Windows, of which bash only says that something is unexpected."""
    with open(path, "rb") as file:
        has_returns = b"\r\n" in file.read()
    return "\nits lines end with \\r\\n, as on Windows; convert its line ends to \\n" if has_returns else ""


def _parse(bash: str, path: str) -> None:
    """Parse the file; raises ExitError. The file may turn on extglob, which changes what bash can parse."""
    try:
        whole([bash, "-O", "extglob", "-n", path], Invocation(b""), "bash -n")
    except ExitError:
        whole([bash, "-n", path], Invocation(b""), "bash -n")


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
        if os.path.isfile(os.path.join(root, f"{file}.sh")):
            raise HandlerNotFound(f"the handler {spec!r} does not name a shell function: no function is {function!r}")
        raise ImportModuleError(f"no file {file}.sh in {root}; {modules.listing(root, file)}")

    return Target("", f"the shell function {spec}", find)


shell.accepts_object = True  # type: ignore[attr-defined]
shell.accepts_any_event = True  # type: ignore[attr-defined]
shell.locate = _located  # type: ignore[attr-defined]


def dispatch_conventions() -> Conventions:
    """The convention for shell functions."""
    return {"shell": shell}
