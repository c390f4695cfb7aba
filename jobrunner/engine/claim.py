"""Take hold of an execution for this node: first step of a run.

The claim number goes up by one with each run. Whatever a run writes later is written under its own claim number, so
a run that was superseded (its node was given up, or a newer worker has taken over) can write nothing more.
"""

from __future__ import annotations

from jobrunner.domain import outcomes
from jobrunner.domain.events import Adopted
from jobrunner.domain.executions import Execution
from jobrunner.domain.outcomes import Outcome
from jobrunner.domain.states import ON_A_NODE, State
from jobrunner.engine.capture import Capture
from jobrunner.engine.farm import Farm
from jobrunner.engine.finish import close
from jobrunner.engine.limits import hold_limits
from jobrunner.engine.move import move
from jobrunner.engine.node import Run, ThisNode
from jobrunner.engine.run_end import RunEnd


def claim(node: ThisNode, run: Run) -> RunEnd | None:
    """Claim the execution, or adopt it where this node holds it already. A RunEnd: it is not ours to run."""
    farm = node.farm
    execution = farm.store.executions.get(run.execution_id)
    if execution is None:
        return RunEnd.NOTHING_TO_DO
    if execution.state is State.ENQUEUED:
        refusal = refuse(farm, execution)
        if refusal is not None:
            close(farm, execution, refusal)
            return RunEnd.CLOSED
        limits = hold_limits(farm, execution)
        if limits is None:
            return RunEnd.HAS_TO_WAIT
        run.execution = _claim_new(node, execution, limits)
    elif execution.state in ON_A_NODE and execution.node == node.name:
        run.execution = _adopt(node, execution)
        run.look_first = True
    if run.execution is None:
        return RunEnd.NOTHING_TO_DO
    _prepare(node, run)
    return None


def refuse(farm: Farm, execution: Execution) -> Outcome | None:
    """The outcome of an execution that must not start any more: it was stopped, or it is too late."""
    if execution.stop_requested_at is not None:
        return outcomes.stopped_before_start()
    expires_at = execution.spec.expires_at
    if expires_at is not None and farm.clock.now() > expires_at:
        return outcomes.expired(expires_at)
    return None


def _claim_new(node: ThisNode, execution: Execution, limits: tuple[str, ...]) -> Execution | None:
    return move(
        node.farm,
        execution,
        State.PULLING,
        claim=execution.claim + 1,
        node=node.name,
        engine_host=node.executor.host,
        engine_port=node.executor.port,
        gpu_ids=node.reservations.gpus_of(execution.id),
        limits=limits,
    )


def _adopt(node: ThisNode, execution: Execution) -> Execution | None:
    adopted = node.farm.store.executions.compare_and_set(
        execution.id, states=[execution.state], claim=execution.claim, changes={"claim": execution.claim + 1}
    )
    if adopted is not None:
        node.farm.announce(Adopted(execution.id, node.name, adopted.claim))
    return adopted


def _prepare(node: ThisNode, run: Run) -> None:
    if run.held.stop_requested_at is not None:
        run.stop_wished.set()
    run.usage = run.held.usage
    farm = node.farm
    cap_bytes = farm.settings.output_cap_bytes
    run.capture = Capture(
        farm.store.output,
        run.execution_id,
        min(cap_bytes, run.held.spec.output_cap_bytes or cap_bytes),
        farm.announce,
        give_up=node.detached.wait,
        clock=farm.clock,
    )
