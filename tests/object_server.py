"""A stand-in for the public archive: S3's list and GET for files in memory, with faults."""

import hashlib
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

BUCKET = "idc-open-data"


class ObjectServer:
    """Serve `files`, a dict of keys to bytes, at `url`; note every request in `requests`.

    `fault(key, number)` may return, for the number-th GET of a key: "cut" (the connection dies half
    way), "flip" (one byte is wrong), a status such as 503, or None.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.requests: list[str] = []
        self.fault: Callable[[str, int], str | int | None] = lambda key, number: None
        self.watch: Callable[[], None] = lambda: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.watch()
                outer._answer(self)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        address = urlsplit(handler.path)
        bucket, _, key = address.path.lstrip("/").partition("/")
        if bucket != BUCKET:
            return self._send(handler, 404, b"no such bucket")
        if not key:
            prefix = parse_qs(address.query)["prefix"][0]
            return self._send(handler, 200, self._listing(prefix))
        self.requests.append(key)
        if key not in self.files:
            return self._send(handler, 404, b"no such key")
        data = self.files[key]
        fault = self.fault(key, self.requests.count(key))
        if isinstance(fault, int):
            return self._send(handler, fault, b"")
        if fault == "flip":
            data = bytes([data[0] ^ 1]) + data[1:]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2] if fault == "cut" else data)
        return None

    def _listing(self, prefix: str) -> bytes:
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(data)}</Size>"
            f"<ETag>&quot;{hashlib.md5(data).hexdigest()}&quot;</ETag></Contents>"
            for key, data in sorted(self.files.items())
            if key.startswith(prefix)
        )
        name = "http://s3.amazonaws.com/doc/2006-03-01/"
        return f'<ListBucketResult xmlns="{name}">{contents}</ListBucketResult>'.encode()

    @staticmethod
    def _send(handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
