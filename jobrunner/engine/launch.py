"""Get the image, make the container, start it: the middle steps of a run.

The execution is moved to `running` before its container is started, under its claim number. So a superseded run never
starts one, and a container that is missing while its execution is `running` is known to be lost: none is made again.
"""

from __future__ import annotations

from jobrunner.domain import outcomes
from jobrunner.domain.aftermath import deliveries_owed
from jobrunner.domain.images import PullPolicy, parse_image
from jobrunner.domain.outcomes import Outcome
from jobrunner.domain.ports.executor import Container, ContainerStatus
from jobrunner.domain.states import State
from jobrunner.engine.container_check import check_on_node
from jobrunner.engine.move import move
from jobrunner.engine.node import Run, ThisNode
from jobrunner.engine.notify import notify_if_possible
from jobrunner.engine.run_end import RunEnd
from jobrunner.errors import ContainerVanished, ImageNotFound, Superseded

GONE = "its container is not there any more; somebody or something removed it"


class PullGivenUp(Exception):
    """The pull was broken off, on purpose."""


def create(node: ThisNode, run: Run) -> Outcome | RunEnd | None:
    """Have a container: the one that an earlier run left, or a new one, its image pulled where the policy says so."""
    if run.look_first:
        run.container = node.executor.find(run.execution_id)
        if run.container is not None:
            return None
        if run.held.state is State.RUNNING:
            raise ContainerVanished(GONE)
    try:
        run.container = _create_with_image(node, run)
    except PullGivenUp:
        return why_not_start(node, run) or RunEnd.HANDED_BACK
    return None


def start(node: ThisNode, run: Run) -> Outcome | None:
    """Connect to the output, move to `running`, start the container; in that order, so that no byte is missed."""
    if run.look_first:
        _look(node, run)
    assert run.container is not None
    if run.container.status is not ContainerStatus.CREATED:
        if run.held.state is State.PULLING:
            _move_to_running(node, run)
        run.started_at = node.farm.clock.now()
        return None
    reason = why_not_start(node, run)
    if reason is not None:
        return reason
    run.reader = node.executor.attach(run.container)
    if run.held.state is State.PULLING:
        _move_to_running(node, run)
        if run.held.stop_requested_at is not None:
            return outcomes.stopped_before_start()
    node.executor.start(run.container)
    run.started_at = node.farm.clock.now()  # from now on the time keeper ends it, also if that was wished just before
    return None


def why_not_start(node: ThisNode, run: Run) -> Outcome | None:
    """The outcome, where the execution is to end before its container starts."""
    if run.stop_wished.is_set():
        return outcomes.stopped_before_start()
    if run.held.state is State.PULLING and run.is_overdue(node.farm.clock.now()):
        return outcomes.timed_out_before_start(run.held.timeout_seconds)
    if run.held.state is State.PULLING and node.must_be_empty:
        return outcomes.drained_before_start()
    return None


def _look(node: ThisNode, run: Run) -> None:
    """Read again what an earlier run or try may have changed, knowingly or not."""
    execution = node.farm.store.executions.get(run.execution_id)
    if execution is None or execution.claim != run.held.claim or execution.state.is_terminal:
        raise Superseded(run.execution_id)
    run.execution = execution
    run.container = node.executor.find(run.execution_id)
    if run.container is None:
        raise ContainerVanished(GONE)


def _create_with_image(node: ThisNode, run: Run) -> Container:
    check_on_node(node.farm.settings, run.held.spec.container)
    policy = run.held.spec.pull_policy
    if policy is PullPolicy.ALWAYS:
        _pull(node, run)
    try:
        return node.executor.create(run.held)
    except ImageNotFound:
        if policy is PullPolicy.NEVER:
            image = run.held.spec.image
            raise ImageNotFound(f"the node does not have the image {image!r}, and the pull policy is 'never'") from None
        if policy is PullPolicy.ALWAYS:
            raise
    _pull(node, run)
    return node.executor.create(run.held)


def _pull(node: ThisNode, run: Run) -> None:
    def checkpoint() -> None:
        if node.detached.is_set() or why_not_start(node, run) is not None:
            raise PullGivenUp

    node.executor.pull(parse_image(run.held.spec.image), checkpoint)


def _move_to_running(node: ThisNode, run: Run) -> None:
    assert run.container is not None
    now = node.farm.clock.now()
    started_at = run.container.started_at or now
    moved = move(
        node.farm,
        run.held,
        State.RUNNING,
        container_id=run.container.id,
        started_at=started_at,
        owed_deliveries=deliveries_owed(run.held, State.RUNNING),
    )
    if moved is None:
        raise Superseded(run.execution_id)
    run.execution = moved
    notify_if_possible(node.farm, moved)
