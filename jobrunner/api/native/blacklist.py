"""Routes of the blacklist: nodes that take no new work. (fastlane's path, and its body.)"""

from __future__ import annotations

from jobrunner.api.context import current_farm
from jobrunner.api.json_body import parse_object
from jobrunner.api.native.routing import route
from jobrunner.api.native.translate import Document
from jobrunner.api.request_body import body
from jobrunner.engine.blacklist import blacklist, readmit
from jobrunner.errors import Fault, InvalidRequest


@route("POST", "/docker-executor/blacklist")
def blacklist_host() -> Document:
    """The host takes no new work; what it runs goes on."""
    host = _host()
    return {"host": host, "blacklisted": True, "nodes": blacklist(current_farm(), host)}


@route("DELETE", "/docker-executor/blacklist")
def readmit_host() -> Document:
    """The host takes work again."""
    host = _host()
    return {"host": host, "blacklisted": False, "nodes": readmit(current_farm(), host)}


def _host() -> str:
    document = parse_object(body())
    faults = [Fault(key, "is not a known key; known is host") for key in document if key != "host"]
    host = document.get("host")
    if host is None:
        faults.append(Fault("host", "is required"))
    elif not isinstance(host, str) or not host:
        faults.append(Fault("host", 'must be a string such as "name:port"'))
    if faults:
        raise InvalidRequest(*faults)
    return str(host)
