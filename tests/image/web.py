"""A web server on loopback that has images, and behaves badly where asked to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serving(content: dict[str, bytes]) -> Iterator[str]:
    """`content` by path; `/to/URL` redirects there, `/short` sends less than it promises, `/packed` says that
    it is compressed. Answers the server's URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/to/"):
                self._answer(302, b"", Location=self.path.removeprefix("/to/"))
            elif self.path == "/short":
                self._answer(200, b"abc", **{"Content-Length": "10"})
            elif self.path == "/packed":
                self._answer(200, b"abc", **{"Content-Encoding": "gzip"})
            elif self.path in content:
                self._answer(200, content[self.path])
            else:
                self._answer(404, b"no such image")

        def log_message(self, *_: object) -> None:
            """Quiet."""

        def _answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
