"""The handler that every measured runtime runs; it returns its event."""


def handler(event: object, context: object) -> object:
    return event
