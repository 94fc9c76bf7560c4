"""An async handler that does several things at once."""

import asyncio


async def fetch(name):
    await asyncio.sleep(0.01)
    return f"{name}: fetched"


async def handler(event, headers):
    return await asyncio.gather(*[fetch(name) for name in event])
