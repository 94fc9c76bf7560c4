"""A generator whose items are sent as they are made."""


def countdown(event, headers):
    for number in range(int(event), 0, -1):
        yield f"{number} "
    yield "go\n"
