"""A function for single messages of a queue: each either succeeds, or comes back to the queue on its own."""

import asyncio
import json

STOCK = {"book": 2, "pen": 10}


async def ship(record, headers):
    order = json.loads(record["body"])
    await asyncio.sleep(0.01)  # a call to a warehouse, say; the other messages do not wait for it
    if order["count"] > STOCK[order["item"]]:
        raise RuntimeError(f"{order['item']}: only {STOCK[order['item']]} left")
    STOCK[order["item"]] -= order["count"]
    print("shipped", order["count"], order["item"])
