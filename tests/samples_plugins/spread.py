"""`func(**fields)`: the fields of a JSON object as keyword arguments."""

import json

from dispatch import UnmarshalError, respond


def spread(function):
    def handle(invocation):
        fields = json.loads(invocation.body)
        if not isinstance(fields, dict):
            raise UnmarshalError(f"the event is {type(fields).__name__}, not an object")
        return respond(function(**fields), json.dumps, "application/json")

    return handle


def dispatch_conventions():
    return {"spread": spread}
