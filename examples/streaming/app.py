"""A generator; each item is sent as soon as it is made."""


def countdown(event, headers):
    for number in range(int(event), 0, -1):
        yield f"{number} "
    yield "go\n"
