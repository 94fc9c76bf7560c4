"""A convention for handlers that receive and return ElementTree elements: `handler(root) -> root`."""

from xml.etree import ElementTree

from dispatch import respond


def xml(function):
    """handler(root: Element) -> Element, sent as application/xml."""

    def handle(invocation):
        root = ElementTree.fromstring(invocation.body)
        return respond(function(root), ElementTree.tostring, "application/xml")

    return handle


def dispatch_conventions():
    return {"xml": xml}
