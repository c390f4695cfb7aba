"""Note what each node is to the farm when that changes, so that it can be told. (To fall silent writes nothing.)"""

from __future__ import annotations

from jobrunner.domain.node_states import node_state
from jobrunner.engine.farm import Farm


def note_presence(farm: Farm) -> None:
    """Compare what the nodes are with what was noted last. The more nodes change, the more is written; else nothing."""
    now = farm.clock.now()
    noted = farm.store.nodes.presence()
    for node in farm.store.nodes.all():
        state = node_state(node, now, farm.settings.node_silent_seconds)
        if noted.get(node.name) is not state:
            farm.store.nodes.note_presence(node.name, state, now)
