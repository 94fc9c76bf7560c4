"""The cross-origin rules of a function URL; a setting has the keys of Lambda's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def allows(cors: Mapping[str, Any], origin: str) -> bool:
    """Return whether pages of this origin may call the function."""
    origins = cors.get("AllowOrigins") or []
    return "*" in origins or origin in origins


def headers(cors: Mapping[str, Any], origin: str) -> list[tuple[str, str]]:
    """Return the headers of a response to this origin."""
    if not origin or not allows(cors, origin):
        return []
    any_origin = "*" in cors["AllowOrigins"] and not cors.get("AllowCredentials")
    found = [("access-control-allow-origin", "*" if any_origin else origin), ("vary", "Origin")]
    if cors.get("AllowCredentials"):
        found.append(("access-control-allow-credentials", "true"))
    if cors.get("ExposeHeaders"):
        found.append(("access-control-expose-headers", ",".join(cors["ExposeHeaders"])))
    return found


def preflight(cors: Mapping[str, Any], origin: str) -> list[tuple[str, str]]:
    """Return the headers that answer a browser's OPTIONS request, which never reaches the function."""
    found = headers(cors, origin)
    for key, name in (
        ("AllowMethods", "access-control-allow-methods"),
        ("AllowHeaders", "access-control-allow-headers"),
    ):
        if found and cors.get(key):
            found.append((name, ",".join(cors[key])))
    if found and cors.get("MaxAge") is not None:
        found.append(("access-control-max-age", str(cors["MaxAge"])))
    return found
