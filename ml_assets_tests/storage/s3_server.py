"""A small S3 server on 127.0.0.1 that keeps objects in memory: enough for Delta tables."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

WRITTEN = "Mon, 01 Jan 2024 00:00:00 GMT"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]
    lock: threading.Lock

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            self._list(query.get("prefix", [""])[0], query.get("start-after", [""])[0])
        else:
            self._send_object(body=True)

    def do_HEAD(self) -> None:
        self._send_object(body=False)

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        with self.lock:
            if self.headers.get("If-None-Match") == "*" and self._key in self.objects:
                self._answer(412)
                return
            self.objects[self._key] = content
        self._answer(200, headers={"ETag": _etag(content)})

    def do_DELETE(self) -> None:
        self.objects.pop(self._key, None)
        self._answer(204)

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    @property
    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix("/bucket/")

    def _send_object(self, *, body: bool) -> None:
        content = self.objects.get(self._key)
        if content is None:
            self._answer(404)
            return
        headers = {"ETag": _etag(content), "Last-Modified": WRITTEN}
        if "Range" not in self.headers:
            self._answer(200, content, headers=headers, body=body)
            return
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        size = len(content)
        start = int(first) if first else size - int(last)
        end = min(int(last) + 1, size) if first and last else size
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        self._answer(206, content[start:end], headers=headers, body=body)

    def _list(self, prefix: str, after: str) -> None:
        found = [
            f"<Contents><Key>{escape(key)}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{escape(_etag(content))}</ETag><Size>{len(content)}</Size></Contents>"
            for key, content in sorted(self.objects.items())
            if key.startswith(prefix) and key > after
        ]
        text = (
            f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(found)}</ListBucketResult>"
        )
        self._answer(200, text.encode(), headers={"Content-Type": "application/xml"})

    def _answer(
        self,
        status: int,
        content: bytes = b"",
        *,
        headers: dict[str, str] | None = None,
        body: bool = True,
    ) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """Serve one bucket, ``bucket``, and yield the storage options that reach it."""
    handler = type("Bucket", (Handler,), {"objects": {}, "lock": threading.Lock()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
