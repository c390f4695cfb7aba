"""Have TCP notice a client that vanished without a word: a cable, a power cut."""

from __future__ import annotations

import socket

KEEPALIVE_SECONDS = 15  # after this long without a byte, TCP asks whether the other side is still there
KEEPALIVE_PROBES = 4


def keep_alive(client: socket.socket) -> None:
    """Ask whether the other side is still there, where this is a connection of TCP."""
    if client.family == socket.AF_UNIX:
        return
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_SECONDS)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
