"""The least that a function of Vercel's does: it returns the request's body."""

from http.server import BaseHTTPRequestHandler


class handler(BaseHTTPRequestHandler):  # noqa: D101, N801 - as Vercel names it
    def do_POST(self) -> None:  # noqa: D102
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)
