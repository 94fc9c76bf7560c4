"""Handlers that wait as for a database, 5 ms, and return their event."""

import asyncio
import time


def blocking(event: object, context: object) -> object:
    time.sleep(0.005)
    return event


async def waiting(event: object, context: object) -> object:
    await asyncio.sleep(0.005)
    return event
