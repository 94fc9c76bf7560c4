"""Handlers that wait for 5 ms, as if for a database, and return their event."""

import asyncio
import time


def blocking(event: object, context: object) -> object:
    time.sleep(0.005)
    return event


async def waiting(event: object, context: object) -> object:
    await asyncio.sleep(0.005)
    return event
