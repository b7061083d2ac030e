"""A real HTTP server that behaves as badly as it is told to."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves ``content`` under every path.

    Attributes:
        misdeeds: what the next requests get, one each; then it behaves. ``cut N``: ends after N bytes;
            ``short N``: announces and sends N bytes only; ``status N``; ``hang``: sends nothing; ``no
            range``: sends the whole where a part was asked for; ``wrong range``: sends another part;
            ``redirect ADDRESS``; ``length TEXT``: announces that as length, and sends 10 bytes;
            ``close``: ends without an answer; ``partial``: calls the whole a part (206);
            ``more N``: a part with N bytes too many; ``gzip``: compresses although it was asked not to.
        pause: seconds between two kibibytes.
        requests: method, path and range of every request.
        whole: how often the last byte was sent.
    """

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.content, self.misdeeds, self.pause = content, [], 0.0
        self.requests, self.whole = [], 0

    @property
    def address(self) -> str:
        return f'http://127.0.0.1:{self.server_port}'


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get('Range')
        server.requests.append((self.path, asked))
        what, _, number = (server.misdeeds.pop(0) if server.misdeeds else 'good').partition(' ')
        if what == 'status':
            self.send_error(int(number))
            return
        if what == 'redirect':
            self.send_response(302)
            self.send_header('Location', number)
            self.end_headers()
            return
        if what == 'hang':
            time.sleep(3)
            return
        if what == 'close':
            self.close_connection = True
            return
        start = int(asked.removeprefix('bytes=').rstrip('-')) if asked and what != 'no' else 0
        if what == 'wrong':
            start = max(0, start - 7)
        body = server.content[start:]
        if what == 'short':
            body = body[: int(number)]
        if what == 'more':
            body += bytes(int(number))
        if what == 'gzip':
            body = gzip.compress(body)
        if start >= len(server.content):
            self.send_error(416)
            return
        self.send_response(206 if start or what == 'partial' else 200)
        if what == 'gzip':
            self.send_header('Content-Encoding', 'gzip')
        if start or what == 'partial':
            self.send_header(
                'Content-Range', f'bytes {start}-{len(server.content) - 1}/{len(server.content)}'
            )
        self.send_header('Content-Length', number if what == 'length' else str(len(body)))
        self.end_headers()
        if what == 'cut':
            body = body[: int(number)]
        if what == 'length':
            body = body[:10]
        try:
            for at in range(0, len(body), 1024):
                self.wfile.write(body[at : at + 1024])
                if server.pause:
                    self.wfile.flush()
                    time.sleep(server.pause)
        except OSError:  # the client was killed
            return
        server.whole += what not in ('cut', 'short', 'length')
        if what == 'cut':
            self.wfile.flush()
            self.connection.close()


@contextmanager
def serving(content: bytes) -> Iterator[Server]:
    server = Server(content)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
