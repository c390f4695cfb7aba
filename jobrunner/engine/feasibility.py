"""Whether the farm can ever run a job, told when it is submitted; and what an execution that waits is waiting for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from jobrunner.domain.container_options import ContainerOptions
from jobrunner.domain.executions import Execution, Node
from jobrunner.domain.placement import Demand, Limit, matches
from jobrunner.domain.resources import ONE_SLOT, WORDS, Resources
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.engine.container_check import check_container
from jobrunner.engine.demand import demand_for, demand_of
from jobrunner.engine.farm import Farm
from jobrunner.errors import Conflict

STORAGE_NEEDS = "no node's Engine can limit it: that takes btrfs, zfs, or overlay2 on xfs with pquota"


def check_can_run(farm: Farm, task_id: str, spec: JobSpec, known: Sequence[Node] | None = None) -> None:
    """Raise Conflict where no node that the farm knows, up or not, could ever run the job; it names the field.

    Raises InvalidRequest where the farm's rules do not allow the container that the job asks for.
    A farm that knows no node yet takes everything. So does a pool that the farm's own rules name. `known`: the nodes,
    where they have been read already.
    """
    check_container(farm.settings, spec.container)
    demand = demand_for(farm.settings, task_id, spec)
    if _fits_any_node(demand) and spec.placement.pool is None:
        return
    known = farm.store.nodes.all() if known is None else known
    if not known:
        return
    in_place = [node for node in known if _is_in_place(node, demand)]
    if not in_place and (demand.node or spec.placement.pool):
        raise _no_such_place(demand)
    matching = [node for node in in_place if matches(demand.constraints, node.labels)]
    if in_place and not matching:
        wanted = ", ".join(f"{name}={value}" for name, value in demand.constraints.items())
        raise Conflict("placement.constraints", f"no node has the labels {wanted}")
    if matching:
        matching = _with_volumes(matching, spec.container)
    if matching and all(node.capacity.lacks(demand.needs) for node in matching):
        raise _too_large(demand.needs, matching)


def waiting_for(farm: Farm, execution: Execution) -> str | None:
    """What an enqueued execution waits for, in words, as far as the last beats of the nodes tell; else None."""
    if execution.state is not State.ENQUEUED:
        return None
    demand = demand_of(farm.settings, execution)
    for limit in demand.limits:
        running = len(farm.store.limits.holders(limit.name))
        if running >= limit.most:
            return _limit_words(limit, running)
    blacklisted = farm.store.blacklist.all()
    nodes = [n for n in farm.store.nodes.all() if n.name not in blacklisted and _is_open(farm, n, demand)]
    if not nodes:
        return f"a node: {_place_words(demand)}"
    if any(not node.free.lacks(demand.needs) for node in nodes):
        return "its turn"
    best = min(nodes, key=lambda node: _shortage(node.free, demand.needs))
    return "; ".join(
        f"{_name(amount)}: {_say(amount, demand.needs)} asked, {_say(amount, best.free)} free on the best node,"
        f" {best.name!r}"
        for amount in best.free.lacks(demand.needs)
    )


def _fits_any_node(demand: Demand) -> bool:
    return demand.needs == ONE_SLOT and demand.node is None and not demand.constraints and not demand.volumes


def _with_volumes(nodes: Sequence[Node], options: ContainerOptions) -> list[Node]:
    wanted = {mount.name for mount in options.volumes}
    having = [node for node in nodes if wanted <= set(node.volumes)]
    if having:
        return having
    for position, mount in enumerate(options.volumes):
        if not any(mount.name in node.volumes for node in nodes):
            field = f"container.volumes.{position}.name"
            raise Conflict(field, f"no node that may run it has a volume {mount.name!r}")
    raise Conflict("container.volumes", "no node that may run it has all of these volumes")


def _is_in_place(node: Node, demand: Demand) -> bool:
    return node.name == demand.node if demand.node else demand.pool in node.pools


def _is_open(farm: Farm, node: Node, demand: Demand) -> bool:
    heard = farm.clock.now() - node.seen_at <= timedelta(seconds=farm.settings.node_silent_seconds)
    is_up = heard and node.stopped_at is None and node.drain is None
    has_all = matches(demand.constraints, node.labels) and set(demand.volumes) <= set(node.volumes)
    return is_up and _is_in_place(node, demand) and has_all


def _no_such_place(demand: Demand) -> Conflict:
    if demand.node:
        return Conflict("placement.node", f"the farm knows no node {demand.node!r}")
    return Conflict("placement.pool", f"no node belongs to the pool {demand.pool!r}")


def _too_large(needs: Resources, nodes: Sequence[Node]) -> Conflict:
    for amount in Resources().lacks(needs):
        largest = max(nodes, key=lambda node: int(getattr(node.capacity, amount)))
        if amount in largest.capacity.lacks(needs):
            if amount == "storage_bytes" and not any(node.limits_storage for node in nodes):
                return Conflict("resources.storage", STORAGE_NEEDS)
            has = _say(amount, largest.capacity)
            return Conflict(
                f"resources.{_name(amount)}",
                f"{_say(amount, needs)} asked; the largest node that may run it, {largest.name!r}, has {has}",
            )
    return Conflict("resources", "each node that may run it has too little of one or another of them")


def _shortage(free: Resources, needs: Resources) -> tuple[int, float]:
    lacking = free.lacks(needs)
    return len(lacking), sum(1 - max(0, getattr(free, amount)) / getattr(needs, amount) for amount in lacking)


def _name(amount: str) -> str:
    return WORDS[amount][0]


def _say(amount: str, resources: Resources) -> str:
    return WORDS[amount][1](max(0, getattr(resources, amount)))


def _limit_words(limit: Limit, running: int) -> str:
    kind, _, name = limit.name.partition(":")
    return f"concurrency: {running} of at most {limit.most} executions of the {kind} {name!r} run"


def _place_words(demand: Demand) -> str:
    if demand.node:
        return f"{demand.node!r} is not up, or takes no work"
    wanted = ", ".join(f"{name}={value}" for name, value in demand.constraints.items())
    labelled = f" with the labels {wanted}" if wanted else ""
    mounted = f" with the volumes {', '.join(demand.volumes)}" if demand.volumes else ""
    return f"none of the pool {demand.pool!r}{labelled}{mounted} is up and takes work"
