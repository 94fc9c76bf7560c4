"""A function that gets the event as text, and the headers that came with it."""


def shout(event, headers):
    return f"{event.upper()}! ({headers['Lambda-Runtime-Invoked-Function-Arn'].rpartition(':')[2]})"
