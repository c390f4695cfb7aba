"""Routes of nodes."""

from __future__ import annotations

from jobrunner.api.context import current_farm
from jobrunner.api.native.documents.nodes import NodeDetails, NodeList
from jobrunner.api.native.job_spec import parse_as
from jobrunner.api.native.routing import route
from jobrunner.api.native.translate import Document
from jobrunner.api.native.translate_nodes import node_document, node_list
from jobrunner.api.openapi.operation import answers
from jobrunner.api.request_body import body
from jobrunner.domain.drain_wish import DrainWish
from jobrunner.engine import drain, queries

NODE_DRAIN = "/nodes/<name>/drain"


@route("GET", "/nodes")
@answers(NodeList)
def list_nodes() -> Document:
    """All nodes that ever were."""
    farm = current_farm()
    return node_list(queries.nodes(farm), farm.clock.now(), farm.settings.node_silent_seconds)


@route("POST", NODE_DRAIN)
@answers(NodeDetails, body=DrainWish)
def drain_node(name: str) -> Document:
    """Have a node take nothing new; with a deadline, end what still runs there after that. The body may be empty."""
    farm, given = current_farm(), body()
    wish = parse_as(DrainWish, given) if given.strip() else DrainWish()
    node = drain.drain(farm, name, wish.deadline_seconds)
    return node_document(node, farm.clock.now(), farm.settings.node_silent_seconds)


@route("DELETE", NODE_DRAIN)
@answers(NodeDetails)
def undrain_node(name: str) -> Document:
    """Have a node take work again."""
    farm = current_farm()
    node = drain.undrain(farm, name)
    return node_document(node, farm.clock.now(), farm.settings.node_silent_seconds)
