"""The `agentcore` convention: an agent of Amazon Bedrock AgentCore, `app = BedrockAgentCoreApp()`.

The app is an ASGI application and answers requests by itself (bedrock-agentcore 1.25.0, runtime/app.py):
`POST /invocations` calls the function under `@app.entrypoint`, with JSON or server-sent events as the answer;
`GET /ping` is the health check; all other paths are 404. `/ws` exists for WebSockets only, which no event of Lambda's
carries. Where the application itself raises, in a middleware, the caller gets what uvicorn answers, its server
(uvicorn 0.54.0, protocols/http/httptools_impl.py, `send_500_response`).
"""

from __future__ import annotations

from conventions import applications
from conventions.asgi import served
from dispatch.errors import HandlerNotFound
from dispatch.modules import described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from conventions.web import Answer
    from dispatch.locate import Target
    from dispatch.types import Conventions, Handler

#: Where an event that is not HTTP is posted: it is the payload of the entrypoint.
_PATH = "/invocations"


def agentcore(app: Any) -> Handler:
    """A BedrockAgentCoreApp; its @app.entrypoint is func(payload) or func(payload, context)."""
    if isinstance(app, type) or not callable(app) or not callable(getattr(app, "entrypoint", None)):
        raise HandlerNotFound(
            f"not a BedrockAgentCoreApp: {described(app)}; name the application itself, like agent.app, "
            "not the function below @app.entrypoint"
        )
    if getattr(app, "debug", False):
        app.logger.setLevel("DEBUG")  # as the package does with a handler of its own
    return served(app, failed=_failed, events_path=_PATH, posts_bytes=True)


agentcore.accepts_object = True  # type: ignore[attr-defined]


def _locate(spec: str, root: str) -> Target | None:
    """As `asgi` does. The package adds a handler only to a logger without one, so it gets one before it is imported."""
    from logging import NullHandler, getLogger

    logger = getLogger("bedrock_agentcore.app")
    if getLogger().handlers and not logger.handlers:
        logger.addHandler(NullHandler())
        logger.setLevel("INFO")
    return applications.module_and_attribute(spec, root)


agentcore.locate = _locate  # type: ignore[attr-defined]


def _failed(_error: Exception | SystemExit) -> Answer:
    return 500, [("content-type", "text/plain; charset=utf-8")], b"Internal Server Error"


def dispatch_conventions() -> Conventions:
    """The convention for an agent of Amazon Bedrock AgentCore."""
    return {"agentcore": agentcore}
