"""A streamed answer with an HTTP status and headers, for a function URL."""

from dispatch import HTTPResponse


def page(event, headers):
    def rows():
        for number in range(3):
            yield f"<li>{number}</li>"

    return HTTPResponse(200, {"Content-Type": "text/html"}, ["seen=1"], rows())
