"""What an execution demands of the farm: from its specification, and from the farm's rules for its task."""

from __future__ import annotations

from jobrunner.domain.executions import Execution
from jobrunner.domain.placement import DEFAULT_POOL, Demand, Limit
from jobrunner.domain.specs import JobSpec
from jobrunner.rules import first_match
from jobrunner.settings import Settings


def demand_of(settings: Settings, execution: Execution) -> Demand:
    """What decides which node takes the execution, and when."""
    return demand_for(settings, execution.task_id, execution.spec)


def demand_for(settings: Settings, task_id: str, spec: JobSpec) -> Demand:
    """The same, before there is an execution."""
    placement = spec.placement
    return Demand(
        needs=spec.resources.needs,
        priority=spec.priority,
        pool=placement.pool or _pool(settings, task_id),
        node=placement.node,
        constraints=placement.constraints,
        limits=tuple(sorted(_limits(settings, task_id, spec))),
        volumes=tuple(sorted({mount.name for mount in spec.container.volumes})),
    )


def _pool(settings: Settings, task_id: str) -> str:
    matched = first_match(settings.pools, task_id)
    return matched.pool if matched else DEFAULT_POOL


def _limits(settings: Settings, task_id: str, spec: JobSpec) -> list[Limit]:
    limits = []
    pool_rule, task_rule = first_match(settings.pools, task_id), first_match(settings.task_limits, task_id)
    if pool_rule and pool_rule.max_running is not None:
        limits.append(Limit(f"pool:{pool_rule.match}", pool_rule.max_running))
    if task_rule:
        limits.append(Limit(f"task:{task_id}", task_rule.most))
    if spec.concurrency is not None:
        limits.append(Limit(f"group:{spec.concurrency.group}", spec.concurrency.most))
    return limits
