from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote


class handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.end_headers()
        self.wfile.write(unquote(self.path).encode() + b" " + body)
