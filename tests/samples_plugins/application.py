"""A class with a method for each event, or an object of such a class."""

from dispatch import respond, settle


def application(named):
    app = named() if isinstance(named, type) else named

    def handle(invocation):
        return respond(settle(app.on_event(invocation.text)), str, "text/plain")

    return handle


application.accepts_object = True


def dispatch_conventions():
    return {"application": application}
