"""Routes of the blacklist: nodes that take no new work. (fastlane's path, and its body.)"""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from jobrunner.api.context import current_farm
from jobrunner.api.native.documents.lists import BlacklistedHost
from jobrunner.api.native.job_spec import parse_as
from jobrunner.api.native.routing import route
from jobrunner.api.native.translate import Document
from jobrunner.api.openapi.operation import answers
from jobrunner.api.request_body import body
from jobrunner.domain.specification import Specification, Text
from jobrunner.engine.blacklist import blacklist, readmit


class HostBody(Specification):
    """Which host: the Engine's "name:port" or the node's name, as /status/ shows it."""

    host: Annotated[Text, StringConstraints(min_length=1, max_length=255)]


@route("POST", "/docker-executor/blacklist")
@answers(BlacklistedHost, body=HostBody, refuses=(404,))
def blacklist_host() -> Document:
    """The host takes no new work; what it runs goes on."""
    host = _host()
    return {"host": host, "blacklisted": True, "nodes": blacklist(current_farm(), host)}


@route("DELETE", "/docker-executor/blacklist")
@answers(BlacklistedHost, body=HostBody, refuses=(404,))
def readmit_host() -> Document:
    """The host takes work again."""
    host = _host()
    return {"host": host, "blacklisted": False, "nodes": readmit(current_farm(), host)}


def _host() -> str:
    return parse_as(HostBody, body()).host
