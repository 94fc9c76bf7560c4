"""The two shell scripts that start the runtime from an archive: `bootstrap` and `dispatch`.

Lambda's OS-only runtimes start `bootstrap`. With `AWS_LAMBDA_EXEC_WRAPPER=/opt/dispatch`, AWS's managed Python runtimes
start `dispatch` and pass it their interpreter and the arguments of their own runtime client.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from runtime.package.target import BuildTarget

#: The folder of our files in a layer (/opt) or a function (/var/task); no module can have this name.
HOME = "dispatch-runtime"
INTERPRETER = f"{HOME}/python/python3"
START_FILE = f"{HOME}/start.pyc"

_BOOTSTRAP = """#!/bin/sh
# Starts the dispatch runtime, through AWS_LAMBDA_EXEC_WRAPPER if it is set: OS-only runtimes leave that to a bootstrap.
here=${{0%/*}}
case "$here" in
    "$0") here=$PWD ;;
    /*) ;;
    *) here=$PWD/$here ;;
esac
export PYTHONPATH="{path}${{PYTHONPATH:+:$PYTHONPATH}}"
if [ -f "$here/{start_file}" ]; then
    set -- "$here/{start_file}" "$@"
else
    set -- -m runtime "$@"
fi
{conventions}set -- "$here/{interpreter}" -P "$@"
if [ -n "$AWS_LAMBDA_EXEC_WRAPPER" ] && [ -z "$DISPATCH_WRAPPED" ]; then
    export DISPATCH_WRAPPED=1
    exec "$AWS_LAMBDA_EXEC_WRAPPER" "$@"
fi
exec "$@"
"""

_WRAPPER = """#!/bin/sh
# Starts the dispatch runtime instead of the managed one. $1 is the interpreter; the rest is the managed runtime's.
here=${{0%/*}}
started=${{1:-nothing}}
set -- "$1" -P -m runtime
case "${{1##*/}}" in
    python{python}) [ -f "$here/{start_file}" ] && set -- "$1" -S -P "$here/{start_file}" ;;
    python3) ;;
    *) echo "dispatch: this layer is for Python {python}, but the function's runtime started $started" >&2 ;;
esac
export PYTHONPATH="$here/python${{PYTHONPATH:+:$PYTHONPATH}}"
# This script is the wrapper; without the variable the runtime would start it again.
export DISPATCH_WRAPPED=1
exec "$@"
"""


#: Sets the convention of handler strings that were recognised, unless the function's settings name one.
_CONVENTIONS = """case "${{HANDLER:-$_HANDLER}}" in
{cases}
esac
"""
_CASE = """    {handler}) export HANDLER_CONVENTION="${{HANDLER_CONVENTION:-{convention}}}" ;;"""


def bootstrap_script(target: BuildTarget, site: str, conventions: Mapping[str, str]) -> str:
    """The bootstrap of an archive that has its own interpreter.

    Args:
        target: its Python version names a folder of layers.
        site: the folder of the runtime, relative to the archive's root.
        conventions: the conventions of handler strings.
    """
    cases = "\n".join(
        _CASE.format(handler=shlex.quote(handler), convention=name) for handler, name in conventions.items()
    )
    chosen = _CONVENTIONS.format(cases=cases) if cases else ""
    path = f"$here/{site}:/opt/python:/opt/python/lib/{target.runtime}/site-packages"
    return _BOOTSTRAP.format(path=path, interpreter=INTERPRETER, start_file=START_FILE, conventions=chosen)


def wrapper_script(target: BuildTarget) -> str:
    """The wrapper in a layer for AWS's managed Python runtimes."""
    return _WRAPPER.format(python=target.python, start_file=START_FILE)
