"""The paths and headers that are the local platform's own; Lambda's are in `dispatch.protocol`."""

from __future__ import annotations

from typing import Final

HEALTH: Final = "/health"
#: Function URLs are at `/lambda-url/NAME/…` and at `NAME.lambda-url.localhost`.
FUNCTION_URL: Final = "/lambda-url"
FUNCTION_URL_DOMAIN: Final = ".lambda-url.localhost"
#: Routes of a template's API are at their own paths, at `/execute-api/API/STAGE/…` and at
#: `API.execute-api.localhost/STAGE/…`; the stage `$default` is not in the path.
API: Final = "/execute-api"
API_DOMAIN: Final = ".execute-api.localhost"
#: What the page asks for.
PAGE: Final = "/_dispatch"
#: The state of the event sources, for scripts.
SOURCES: Final = f"{PAGE}/sources"

#: The header that carries the server's token.
TOKEN: Final = "X-Dispatch-Token"  # noqa: S105 - a header's name
