"""Returns its event, and imports AWS's SDK, as most functions on Lambda do."""

import boto3  # noqa: F401 - the benchmark measures this import


def handler(event: object, context: object) -> object:
    return event
