"""The environment variables that an execution environment starts with."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from dispatch.protocol import LATEST
from dispatch.variables import BUFFERED, RESPONSE_STREAM
from runtime.local.function import FunctionConfig, default_region, is_reserved

#: Set unless the developer or the function sets them (AWS documentation, defined runtime environment variables).
DEFAULTS: Final = {"LANG": "en_US.UTF-8", "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR", "AWS_LAMBDA_LOG_FORMAT": "Text"}
#: Taken out of the developer's environment besides the reserved ones: the name of another handler, the server's secret.
WITHHELD: Final = frozenset({"HANDLER", "DISPATCH_SERVE_TOKEN"})
#: Credentials for requests that are never checked; set only where the developer has none at all.
PLACEHOLDERS: Final = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_SESSION_TOKEN": "local",
}
CREDENTIAL_SOURCES: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)

#: Without modules, which would hide others of their names: OpenTelemetry's wrapper puts it first on Python's path.
RUNTIME_DIR: Final = Path(__file__).parent / "runtime_dir"


#: The wrapper in Dispatch's own layer, which starts the runtime on Lambda; here the platform starts it.
LAYER_WRAPPER: Final = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/dispatch"}

#: Where the Python modules of a layer are, below the folder that is `/opt` on Lambda (AWS documentation, layer paths).
LAYER_MODULES: Final = (
    "python",
    f"python/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages",
)


def new_log_stream() -> str:
    """Return a name for a new log stream, which is also the id of its environment."""
    return f"{datetime.now(UTC):%Y/%m/%d}/[{LATEST}]{os.urandom(16).hex()}"


def variables(
    function: FunctionConfig, api_address: str, log_stream: str, own: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the developer's environment, Lambda's reserved variables and the function's own; the last one wins.

    Variables of another function or another Runtime API are left out of the developer's environment (`own`), and so is
    the wrapper of Dispatch's own layer, wherever it is set.
    """
    own = os.environ if own is None else own
    inherited = {name: value for name, value in own.items() if not is_reserved(name) and name not in WITHHELD}
    found = {
        **DEFAULTS,
        **_invoke_mode(function),
        **inherited,
        **_credentials(own),
        **reserved(function, api_address, log_stream),
        **({"HANDLER_CONVENTION": function.convention} if function.convention else {}),
        **function.environment,
    }
    needed = dict(found.items() - LAYER_WRAPPER.items())
    return {**needed, **_layer_paths(function, found)}


def _layer_paths(function: FunctionConfig, found: Mapping[str, str]) -> Mapping[str, str]:
    """Return the search paths with the function's layers before what they have; the last layer comes first."""
    paths = {"PYTHONPATH": LAYER_MODULES, "PATH": ("bin",), "LD_LIBRARY_PATH": ("lib",)} if function.layers else {}
    added = {}
    for name, below in paths.items():
        folders = [str(layer / part) for layer in reversed(function.layers) for part in below]
        added[name] = os.pathsep.join([*folders, *filter(None, [found.get(name)])])
    return added


def reserved(function: FunctionConfig, api_address: str, log_stream: str) -> dict[str, str]:
    """Return the variables that Lambda sets. `AWS_EXECUTION_ENV` stays unset, as in its OS-only runtimes."""
    region = function.region or default_region()
    return {
        "AWS_LAMBDA_RUNTIME_API": api_address,
        "_HANDLER": function.handler,
        "LAMBDA_TASK_ROOT": str(function.folder),
        "LAMBDA_RUNTIME_DIR": str(RUNTIME_DIR),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": LATEST,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_INITIALIZATION_TYPE": function.initialization,
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "TZ": ":UTC",
    }


def _invoke_mode(function: FunctionConfig) -> Mapping[str, str]:
    """Return the variable with which conventions that can answer either way follow the function URL's own setting."""
    if function.url is None or function.url.streaming is None:
        return {}
    return {"HANDLER_INVOKE_MODE": RESPONSE_STREAM if function.url.streaming else BUFFERED}


def _credentials(own: Mapping[str, str]) -> Mapping[str, str]:
    # Not Path.home(), which a user without a home has not.
    file = os.path.expanduser("~/.aws/credentials")
    has_own = any(own.get(name) for name in CREDENTIAL_SOURCES) or os.path.exists(file)
    return {} if has_own else PLACEHOLDERS
