"""A web server on this machine that counts what it sends, and can misbehave in the ways that servers do."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

_PIECE_BYTES = 32_768


@dataclass
class RangeServer:
    """Serves the files of a folder.

    Attributes:
        folder: What it serves.
        url: Where.
        sent_bytes: Sent so far, by path.
        asked: Request lines so far: method and path with query.
        statuses: Status by path, in place of the file.
        fail_after: After so many requests of a path, all fail with status 500.
        ranges: False for a server that sends whole files whatever is asked for.
        cut: True for a server that breaks off in the middle of what it sends, past the first requests.
        silent: True for a server that accepts connections and says nothing.
    """

    folder: Path
    url: str = ""
    sent_bytes: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    spans: list[str | None] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    fail_after: int | None = None
    ranges: bool = True
    cut: bool = False
    silent: bool = False

    def share_sent(self, path: str) -> float:
        """Bytes sent of a file, as a share of its size."""
        return self.sent_bytes.get(path, 0) / (self.folder / path).stat().st_size


@contextmanager
def serving(folder: Path) -> Iterator[RangeServer]:
    """Serve a folder on a free port of this machine."""
    state = RangeServer(folder)

    class Handler(_Handler):
        served = state

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: RangeServer

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, *args: object) -> None:
        pass

    def _answer(self, *, with_body: bool) -> None:
        served, path = self.served, unquote(urlsplit(self.path).path).lstrip("/")
        served.asked.append(f"{self.command} {self.path}")
        served.spans.append(self.headers.get("Range"))
        if served.silent:
            time.sleep(2)
            self.close_connection = True
            return
        asked_of_path = sum(urlsplit(line.split()[1]).path.lstrip("/") == path for line in served.asked)
        file = served.folder / path
        status = served.statuses.get(path, 200 if file.is_file() else 404)
        if served.fail_after is not None and asked_of_path > served.fail_after:
            status = 500
        if status != 200:
            self._head(status, 0)
            return
        data, span = file.read_bytes(), self.headers.get("Range") if served.ranges else None
        part, content_range = data, None
        if span is not None:
            first, last = re.fullmatch(r"bytes=(\d+)-(\d*)", span).groups()
            start, stop = int(first), min(int(last) + 1 if last else len(data), len(data))
            if start >= len(data):
                self._head(416, 0, f"bytes */{len(data)}")
                return
            part, content_range = data[start:stop], f"bytes {start}-{stop - 1}/{len(data)}"
        self._head(200 if content_range is None else 206, len(part), content_range)
        if served.cut and asked_of_path > 3:
            part, self.close_connection = part[: len(part) // 2], True
        if with_body:
            self._send(path, part)

    def _send(self, path: str, part: bytes) -> None:
        """Send piece by piece, and count what goes out: whoever asked may hang up when he has enough."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _PIECE_BYTES)
        for start in range(0, len(part), _PIECE_BYTES):
            piece = part[start : start + _PIECE_BYTES]
            try:
                self.wfile.write(piece)
            except ConnectionError:
                self.close_connection = True
                return
            self.served.sent_bytes[path] = self.served.sent_bytes.get(path, 0) + len(piece)

    def _head(self, status: int, length: int, content_range: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        if self.served.ranges:
            self.send_header("Accept-Ranges", "bytes")
        if content_range is not None:
            self.send_header("Content-Range", content_range)
        self.end_headers()
