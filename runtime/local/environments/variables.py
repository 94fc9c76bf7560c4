"""The environment variables that an execution environment starts with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import runtime
from runtime.local.function import FOREIGN, Function, is_reserved, region

#: Set unless the developer or the function says otherwise (AWS documentation, defined runtime environment variables).
DEFAULTS: Final = {"LANG": "en_US.UTF-8", "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR", "AWS_LAMBDA_LOG_FORMAT": "Text"}
#: What signs requests that nobody checks; only where the developer has no credentials at all.
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


def variables(
    function: Function, api_address: str, stream: str, own: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The developer's environment, Lambda's reserved variables, and the function's own, the last one winning.

    What would speak for another function or another Runtime API is taken out of the developer's environment (`own`).
    """
    own = os.environ if own is None else own
    inherited = {name: value for name, value in own.items() if not is_reserved(name) and name not in FOREIGN}
    return {
        **DEFAULTS,
        **inherited,
        **_credentials(own),
        **reserved(function, api_address, stream),
        **({"HANDLER_CONVENTION": function.convention} if function.convention else {}),
        **function.environment,
    }


def reserved(function: Function, api_address: str, stream: str) -> dict[str, str]:
    """What Lambda itself tells a runtime. `AWS_EXECUTION_ENV` stays unset, as on its OS-only runtimes."""
    where = function.region or region()
    return {
        "AWS_LAMBDA_RUNTIME_API": api_address,
        "_HANDLER": function.handler,
        "LAMBDA_TASK_ROOT": str(function.root),
        "LAMBDA_RUNTIME_DIR": str(Path(runtime.__file__ or "").parent),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_INITIALIZATION_TYPE": function.initialization,
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_REGION": where,
        "AWS_DEFAULT_REGION": where,
        "TZ": ":UTC",
    }


def _credentials(own: Mapping[str, str]) -> Mapping[str, str]:
    has_own = any(own.get(name) for name in CREDENTIAL_SOURCES) or (Path.home() / ".aws" / "credentials").exists()
    return {} if has_own else PLACEHOLDERS
