"""A function as Vercel's documentation writes it: one class for all requests of a path."""

import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit


class handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path = urlsplit(self.path).path
        if path.startswith("/echo"):
            self.echo()
        elif path == "/text":
            self.answer("text/plain; charset=utf-8", "ü".encode())
        elif path == "/object":
            self.answer("application/json", json.dumps({"name": "Zoë", "tags": [1, None]}).encode())
        elif path == "/bytes":
            self.answer("application/octet-stream", bytes(range(256)))
        elif path == "/empty":
            self.send_response(204)
            self.end_headers()
        elif path == "/created":
            self.send_response(201)
            self.send_header("X-Own", "made")
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write(b"created")
        elif path == "/cookies":
            self.send_response(200)
            self.send_header("Set-Cookie", "a=1; Path=/")
            self.send_header("Set-Cookie", "b=2; HttpOnly")
            self.end_headers()
        elif path == "/stream":
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            for part in (b"one ", b"two ", b"three"):
                self.wfile.write(part)
        elif path == "/fail":
            raise LookupError("fail")
        else:
            self.send_error(404)

    def do_POST(self):
        if self.path == "/json":
            try:
                value = json.loads(self.body())
            except ValueError:
                self.send_error(400, "The body is not JSON")
                return
            self.answer("application/json", json.dumps(value).encode())
        else:
            self.echo()

    def echo(self):
        own = [pair for pair in self.headers.items() if pair[0].lower() in ("x-own", "cookie", "content-type")]
        seen = {"method": self.command, "path": self.path, "headers": own, "body": self.body().decode("latin-1")}
        self.answer("application/json", json.dumps(seen).encode())

    do_PUT = do_DELETE = do_OPTIONS = echo

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, content_type, body):
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
