"""A convention for handlers that receive and return ElementTree elements: `handler(root) -> root`."""

from xml.etree import ElementTree

from dispatch import MarshalError, UnmarshalError, respond


def xml(function):
    """handler(root: Element) -> Element, sent as application/xml."""

    def handle(invocation):
        try:
            root = ElementTree.fromstring(invocation.body)
        except ElementTree.ParseError as error:
            raise UnmarshalError(f"the event is not XML: {error}") from error
        return respond(function(root), encode, "application/xml")

    return handle


def encode(root):
    if not ElementTree.iselement(root):
        raise MarshalError(f"the answer is not an Element, but {type(root).__name__}")
    return ElementTree.tostring(root)


def dispatch_conventions():
    return {"xml": xml}
