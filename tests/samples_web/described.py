"""What both applications answer with, so that any difference comes from the server in front of them."""

import hashlib

PLATFORM = ("x-forwarded-", "x-amzn-", "connection", "transfer-encoding", "content-length")


def described(method, url, path, query, headers, cookies, body):
    """A request as plain values."""
    seen = sorted([name.lower(), value] for name, value in headers if not name.lower().startswith(PLATFORM))
    return {
        "method": method,
        "url": url,
        "path": path,
        "query": query,
        "headers": seen,
        "cookies": cookies,
        "length": len(body),
        "hash": hashlib.sha256(body).hexdigest(),
    }


#: status, headers, body of fixed answers by their path.
ANSWERS = {
    "text": (200, [("content-type", "text/plain; charset=utf-8")], "Grüße".encode()),
    "latin-1": (200, [("content-type", "text/plain; charset=iso-8859-1")], "Grüße".encode("latin-1")),
    "html": (200, [("content-type", "text/html; charset=utf-8")], b"<p>hello</p>"),
    "binary": (200, [("content-type", "application/octet-stream")], bytes(range(256))),
    "image": (200, [("content-type", "image/png")], b"\x89PNG\r\n\x1a\n\0"),
    "problem": (422, [("content-type", "application/problem+json")], b'{"title": "no"}'),
    "svg": (200, [("content-type", "image/svg+xml")], b"<svg/>"),
    "compressed": (200, [("content-type", "text/plain"), ("content-encoding", "br")], b"\x0b\x02\x80hello\x03"),
    "ascii-compressed": (200, [("content-type", "text/plain"), ("content-encoding", "x-own")], b"abc"),
    "cookies": (200, [("content-type", "text/plain"), ("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2; HttpOnly")], b"x"),
    "expires": (200, [("content-type", "text/plain"), ("set-cookie", "a=1; Expires=Wed, 21 Oct 2037 07:28:00 GMT")], b"x"),
    "vary": (200, [("content-type", "text/plain"), ("vary", "accept"), ("vary", "cookie")], b"x"),
    "link": (200, [("content-type", "text/plain"), ("link", "</a>; rel=a"), ("link", "</b>; rel=b")], b"x"),
    "latin-header": (200, [("content-type", "text/plain"), ("x-name", "Grüße")], b"x"),
    "case": (200, [("content-type", "text/plain"), ("X-Mixed-Case", "Value")], b"x"),
    "etag": (200, [("content-type", "text/plain"), ("etag", 'W/"1"'), ("cache-control", "no-store")], b"x"),
    "empty": (200, [("content-type", "text/plain")], b""),
    "no-content": (204, [], b""),
    "reset": (205, [], b""),
    "not-modified": (304, [("etag", '"1"')], b""),
    "found": (302, [("location", "/answers/text")], b""),
    "see-other": (303, [("location", "/answers/text?a=b")], b""),
    "permanent": (308, [("location", "/answers/text")], b""),
    "elsewhere": (302, [("location", "https://example.com/answers")], b""),
    "relative": (302, [("location", "text")], b""),
    "unauthorized": (401, [("content-type", "text/plain"), ("www-authenticate", 'Basic realm="x"')], b"no"),
    "teapot": (418, [("content-type", "text/plain")], b"teapot"),
    "unavailable": (503, [("content-type", "text/plain"), ("retry-after", "3")], b"later"),
    "unusual": (299, [("content-type", "text/plain")], b"x"),
    "large": (200, [("content-type", "text/plain")], b"0123456789" * 30_000),
}
