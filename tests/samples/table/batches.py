"""Handlers of the `records` convention, which fail for each record whose body is "bad"."""


def plain(record, headers):
    if record["body"] == "bad":
        raise ValueError(headers["Lambda-Runtime-Aws-Request-Id"])


async def waits(record, headers):
    import asyncio

    await asyncio.sleep(0)
    plain(record, headers)


def generator(record, headers):
    yield "ignored"
    plain(record, headers)
