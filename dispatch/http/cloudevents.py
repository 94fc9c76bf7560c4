"""What a request for a CloudEvent's delivery asks of the response."""

from __future__ import annotations

from dispatch.protocol import CLOUDEVENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def wants_event(headers: Mapping[str, str]) -> bool:
    """Whether the sender of an event takes any body but a CloudEvent for a failure, and delivers the event again.

    Knative's brokers and channels do, and say so by `Prefer: reply` (its "Data Plane Contract").

    Args:
        headers: the request's, with names in lower case.
    """
    is_event = "ce-id" in headers or headers.get("content-type", "").lower().startswith(CLOUDEVENTS)
    return is_event and "reply" in headers.get("prefer", "").lower()
