"""The `openwhisk` port: `main(args)`, an action of Apache OpenWhisk, raw or for the web.

It is called as `launcher.py` of openwhisk-runtime-python does; `web_actions` has the rest, with the sources.
"""

from __future__ import annotations

from conventions.ports import web_actions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dispatch.types import Conventions, Handler, UserFunction


def openwhisk(function: UserFunction) -> Handler:
    """main(args: dict) -> a dictionary or a list; `statusCode`, `headers` and `body` of it answer a request."""
    return web_actions.handler(lambda arguments, _invocation: function(arguments))


def dispatch_conventions() -> Conventions:
    """The convention for an action of OpenWhisk."""
    return {"openwhisk": openwhisk}
