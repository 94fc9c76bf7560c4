"""`main(event, headers)`, `main(event)` or `main()`: a function gets as many arguments as it takes."""

import inspect

from dispatch import respond


def fitting(function):
    wanted = len(inspect.signature(function).parameters)

    def handle(invocation):
        return respond(function(*[invocation.text, invocation.headers][:wanted]), str, "text/plain")

    return handle


def dispatch_conventions():
    return {"fitting": fitting}
