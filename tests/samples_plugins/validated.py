import json
import typing

from dispatch import UnmarshalError, respond


def validated(function):  # function(event: SomeDataclass)
    kind, *_ = typing.get_type_hints(function).values()

    def handle(invocation):
        try:
            return respond(function(kind(**json.loads(invocation.body))), str, "text/plain")
        except TypeError as error:
            raise UnmarshalError(str(error)) from error
    return handle


def dispatch_conventions():
    return {"validated": validated}
