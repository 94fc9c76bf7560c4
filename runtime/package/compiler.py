"""A program that compiles Python files and runs none of them, with a limit of its memory.

Its arguments are the bytes of memory that it may use and the N of Python 3.N. It reads a JSON list of paths, and writes
a line for each: the reason why the file cannot be compiled, "" if it can be, null if the memory does not suffice.
"""

import ast
import json
import resource
import sys
import warnings
from contextlib import suppress


def reason(path: str, minor: int) -> str | None:
    """Why Python 3.`minor` cannot compile a file, as far as this Python knows; None if there is too little memory."""
    try:
        with open(path, "rb") as file:
            content = file.read()
        compile(content, path, "exec", dont_inherit=True)
        if minor < sys.version_info.minor:
            ast.parse(content, path, feature_version=(3, minor))
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}" if error.lineno else error.msg
    except (MemoryError, ValueError, RecursionError) as error:
        # For code that is nested too deeply, the parser raises a MemoryError that has a message.
        return str(error) or (None if isinstance(error, MemoryError) else type(error).__name__)
    return ""


def main() -> None:
    """Answer for each file at once, because the process may be ended."""
    limit, minor = map(int, sys.argv[1:])
    with suppress(ValueError, OSError):  # some systems have no such limit, or a lower one
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    warnings.simplefilter("ignore")
    for path in json.load(sys.stdin):
        print(json.dumps(reason(path, minor)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
