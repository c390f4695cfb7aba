"""A registry with one tiny image in memory, and names that fail in the ways that registries fail."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
GOOD, REFUSED, STUCK_MANIFEST, STUCK_LAYER = "good", "refused", "stuck-manifest", "stuck-layer"
LONGEST_STUCK_SECONDS = 60


class Registry(ThreadingHTTPServer):
    """Serves `good`; answers 401 for `refused`, not at all for `stuck-...`, and 404 for other names."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked = threading.Event()  # a stuck request has come
        self.closing = threading.Event()
        self.manifest, self.blobs = _image()

    def image(self, name: str) -> str:
        """The reference by which the Engine pulls `name` from here."""
        return f"127.0.0.1:{self.server_port}/{name}:1"


@contextmanager
def registry() -> Iterator[Registry]:
    """A registry that serves while the block runs."""
    server = Registry()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Registry

    def do_GET(self) -> None:
        parts = self.path.strip("/").split("/")
        if len(parts) < 4:
            self._answer(200, b"{}")
        else:
            self._serve(name=parts[1], kind=parts[2], reference=parts[3])

    do_HEAD = do_GET

    def _serve(self, name: str, kind: str, reference: str) -> None:
        if name == REFUSED:
            self._answer(401, _errors("UNAUTHORIZED", "authentication required"))
        elif (name, kind) in ((STUCK_MANIFEST, "manifests"), (STUCK_LAYER, "blobs")):
            self._be_stuck()
        elif name not in (GOOD, STUCK_LAYER):
            self._answer(404, _errors("MANIFEST_UNKNOWN", "manifest unknown"))
        elif kind == "manifests":
            self._answer(200, self.server.manifest, MANIFEST_TYPE)
        else:
            self._answer(200, self.server.blobs[reference])

    def _be_stuck(self) -> None:
        """Answer nothing until the registry closes."""
        self.server.asked.set()
        self.server.closing.wait(LONGEST_STUCK_SECONDS)
        self.close_connection = True

    def _answer(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Content-Digest", _digest(body))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on the terminal."""


def _image() -> tuple[bytes, dict[str, bytes]]:
    """The manifest and the blobs of an image with a single file, different every time so that no Engine has it."""
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w") as layer:
        entry = tarfile.TarInfo("hello")
        entry.size = 36
        layer.addfile(entry, io.BytesIO(str(uuid4()).encode()))
    rootfs = {"type": "layers", "diff_ids": [_digest(unpacked.getvalue())]}
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}).encode()
    packed = gzip.compress(unpacked.getvalue())
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": _descriptor("application/vnd.docker.container.image.v1+json", config),
        "layers": [_descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", packed)],
    }
    return json.dumps(manifest).encode(), {_digest(config): config, _digest(packed): packed}


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "size": len(content), "digest": _digest(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _errors(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()
