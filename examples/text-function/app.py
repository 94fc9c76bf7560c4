"""A function that receives the event as text, and the event's headers."""


def shout(event, headers):
    return f"{event.upper()}! ({headers['Lambda-Runtime-Invoked-Function-Arn'].rpartition(':')[2]})"
