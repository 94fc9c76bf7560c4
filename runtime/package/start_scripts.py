"""The two shell scripts that start the runtime from an archive: `bootstrap` and `dispatch`.

Lambda's OS-only runtimes start `bootstrap`. AWS's managed Python runtimes start `dispatch` when told to by
``AWS_LAMBDA_EXEC_WRAPPER=/opt/dispatch``; it gets the interpreter and the arguments of their own runtime client.
"""

from __future__ import annotations

from runtime.package.target import Target

# Below the root of a layer (/opt) or of a function (/var/task). No module can have this name.
HOME = "dispatch-runtime"
INTERPRETER = f"{HOME}/python/python3"

_BOOTSTRAP = """#!/bin/sh
# Starts the dispatch runtime. AWS_LAMBDA_EXEC_WRAPPER, which OS-only runtimes leave to the bootstrap, is honoured once.
here=${{0%/*}}
case "$here" in
    "$0") here=$PWD ;;
    /*) ;;
    *) here=$PWD/$here ;;
esac
export PYTHONPATH="{path}${{PYTHONPATH:+:$PYTHONPATH}}"
set -- "$here/{interpreter}" -P -m runtime "$@"
if [ -n "$AWS_LAMBDA_EXEC_WRAPPER" ] && [ -z "$DISPATCH_WRAPPED" ]; then
    export DISPATCH_WRAPPED=1
    exec "$AWS_LAMBDA_EXEC_WRAPPER" "$@"
fi
exec "$@"
"""

_WRAPPER = """#!/bin/sh
# Starts the dispatch runtime in place of the managed one: $1 is the interpreter, the rest the managed runtime's own.
here=${{0%/*}}
case "${{1##*/}}" in
    python{python} | python3) ;;
    *) echo "dispatch: this layer is for Python {python}, and the function's runtime started ${{1:-nothing}}" >&2 ;;
esac
export PYTHONPATH="$here/python${{PYTHONPATH:+:$PYTHONPATH}}"
# This was AWS_LAMBDA_EXEC_WRAPPER's turn; the runtime would give it another.
export DISPATCH_WRAPPED=1
exec "$1" -P -m runtime
"""


def bootstrap(target: Target, own: str) -> str:
    """The bootstrap of an archive that has its own interpreter.

    Args:
        target: names the folder that layers have for this Python.
        own: the folder of the archive, relative to its root, that has the runtime.
    """
    path = f"$here/{own}:/opt/python:/opt/python/lib/{target.runtime}/site-packages"
    return _BOOTSTRAP.format(path=path, interpreter=INTERPRETER)


def wrapper(target: Target) -> str:
    """The wrapper of a layer for AWS's managed Python runtimes."""
    return _WRAPPER.format(python=target.python)
