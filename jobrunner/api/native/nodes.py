"""Routes of nodes."""

from __future__ import annotations

from jobrunner.api.context import current_farm
from jobrunner.api.json_body import parse_object
from jobrunner.api.native.routing import route
from jobrunner.api.native.translate import Document
from jobrunner.api.native.translate_nodes import node_document, node_list
from jobrunner.api.request_body import body
from jobrunner.engine import drain, queries
from jobrunner.errors import Fault, InvalidRequest

NODE_DRAIN = "/nodes/<name>/drain"
LONGEST_DEADLINE_SECONDS = 10**8


@route("GET", "/nodes")
def list_nodes() -> Document:
    """All nodes that ever were."""
    farm = current_farm()
    return node_list(queries.nodes(farm), farm.clock.now(), farm.settings.node_silent_seconds)


@route("POST", NODE_DRAIN)
def drain_node(name: str) -> Document:
    """Have a node take nothing new; with {"deadlineSeconds": ...}, end what still runs there after that."""
    farm = current_farm()
    node = drain.drain(farm, name, _deadline_seconds())
    return node_document(node, farm.clock.now(), farm.settings.node_silent_seconds)


@route("DELETE", NODE_DRAIN)
def undrain_node(name: str) -> Document:
    """Have a node take work again."""
    farm = current_farm()
    node = drain.undrain(farm, name)
    return node_document(node, farm.clock.now(), farm.settings.node_silent_seconds)


def _deadline_seconds() -> float | None:
    """`deadlineSeconds` of the body, which may be left out as a whole. Raises InvalidRequest."""
    given = body()
    document = parse_object(given) if given.strip() else {}
    unknown = [key for key in document if key != "deadlineSeconds"]
    if unknown:
        raise InvalidRequest(*(Fault(key, "is not a known key; the only one is deadlineSeconds") for key in unknown))
    seconds = document.get("deadlineSeconds")
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (is_number and 0 <= seconds <= LONGEST_DEADLINE_SECONDS):
        raise InvalidRequest(Fault("deadlineSeconds", f"must be a number from 0 to {LONGEST_DEADLINE_SECONDS}"))
    return seconds
