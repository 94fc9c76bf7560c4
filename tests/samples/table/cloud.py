"""Handlers of the `cloudevent` convention."""


def answers(event):
    return [event.get_attributes()["type"], event.get_data()]


def nothing(event):
    return None


async def echo(event):
    return event


def fails(event):
    raise LookupError(event.get_data())
