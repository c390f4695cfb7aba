"""Routes of nodes."""

from __future__ import annotations

from jobrunner.api.context import current_farm
from jobrunner.api.native.documents import NodeList
from jobrunner.api.native.routing import route
from jobrunner.api.native.translate import Document
from jobrunner.api.native.translate_nodes import node_list
from jobrunner.api.openapi.operation import answers
from jobrunner.engine import queries


@route("GET", "/nodes")
@answers(NodeList)
def list_nodes() -> Document:
    """All nodes that ever were."""
    farm = current_farm()
    return node_list(queries.nodes(farm), farm.clock.now(), farm.settings.node_silent_seconds)
