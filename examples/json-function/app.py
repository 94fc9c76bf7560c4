"""A function that receives parsed JSON and returns a value that is sent as JSON."""

from collections import Counter
from datetime import date
from decimal import Decimal


def invoice(event, headers):
    prices = [Decimal(item["price"]) * item["count"] for item in event["items"]]
    return {
        "total": sum(prices),
        "due": date(2026, 12, 24),
        "kinds": Counter(item["kind"] for item in event["items"]),
    }
