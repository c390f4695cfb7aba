"""The opening handshake of a WebSocket: what is wrong with it is answered as any other request is."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response, request
from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.http11 import Response as Handshake
from websockets.server import ServerProtocol
from werkzeug.exceptions import HTTPException

from jobrunner.api.live.handover import HandedOver, takes_chunks
from jobrunner.api.live.web_socket import WebSocketTalk
from jobrunner.errors import Fault, InvalidRequest


class UpgradeRequired(HTTPException):
    """426: this is a WebSocket, and was not asked for as one."""

    code = HTTPStatus.UPGRADE_REQUIRED
    description = "must be the opening of a WebSocket, with `Upgrade: websocket` (a browser does so for ws:// URLs)"

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        """What to upgrade to."""
        return [("Upgrade", "websocket"), ("Connection", "Upgrade")]


def accept_web_socket() -> Handshake:
    """What is to be answered to this request. Raises UpgradeRequired, InvalidRequest.

    (Whose page asks was looked at before: cross_site.py.)
    """
    asks_for_it = request.method == "GET" and request.headers.get("Upgrade", "").lower() == "websocket"
    if not asks_for_it or not takes_chunks():
        raise UpgradeRequired
    protocol = ServerProtocol()
    handshake = protocol.accept(Request(request.path, Headers(list(request.headers.items()))))
    if handshake.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
        raise InvalidRequest(Fault("request", f"opens no WebSocket ({protocol.handshake_exc})"))
    return handshake


def opened(talk: WebSocketTalk, handshake: Handshake) -> Response:
    """The answer that opens the WebSocket."""
    names = ("Upgrade", "Connection", "Sec-WebSocket-Accept")
    answer = HandedOver(talk, HTTPStatus.SWITCHING_PROTOCOLS, {name: handshake.headers[name] for name in names})
    del answer.headers["Content-Type"]
    return answer
