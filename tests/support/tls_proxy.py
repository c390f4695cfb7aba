"""A TLS endpoint that asks for a client certificate and forwards to a unix socket: a Docker Engine behind TLS."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.relay import relay

START_SECONDS = 10


@dataclass(frozen=True)
class Certificates:
    """PEM files: an authority, and what it has signed for the server (127.0.0.1) and for a client."""

    ca: Path
    server_cert: Path
    server_key: Path
    client_cert: Path
    client_key: Path


def make_certificates(folder: Path) -> Certificates:
    """Make an authority of our own, and its certificates, with the openssl program."""
    ca_key, ca = folder / "ca-key.pem", folder / "ca.pem"
    _openssl("req", "-x509", "-subj", "/CN=test-ca", "-days", "2", *_new_key(ca_key), "-out", ca)
    made = {}
    for name, extension in {"server": "subjectAltName=IP:127.0.0.1", "client": "extendedKeyUsage=clientAuth"}.items():
        key, request, certificate, extensions = (folder / f"{name}.{part}" for part in ("key", "csr", "pem", "ext"))
        extensions.write_text(extension)
        _openssl("req", "-subj", f"/CN={name}", *_new_key(key), "-out", request)
        signing = ("-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", extensions)
        _openssl("x509", "-req", "-in", request, *signing, "-out", certificate)
        made |= {f"{name}_cert": certificate, f"{name}_key": key}
    return Certificates(ca=ca, **made)


def _new_key(path: Path) -> tuple[str | Path, ...]:
    return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30)


@contextmanager
def tls_proxy(unix_socket: str, certificates: Certificates) -> Iterator[int]:
    """Forward TLS connections to a unix socket while the block runs; gives the port on 127.0.0.1."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificates.server_cert, certificates.server_key)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="tls-proxy")
    thread.start()
    try:
        serving = asyncio.run_coroutine_threadsafe(_serve(unix_socket, context), loop)
        yield serving.result(START_SECONDS).sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(START_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _serve(unix_socket: str, context: ssl.SSLContext) -> asyncio.Server:
    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await relay(reader, writer, *await asyncio.open_unix_connection(unix_socket))

    return await asyncio.start_server(forward, "127.0.0.1", 0, ssl=context)


async def _cancel_all() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
