"""Run an execution on this node: the steps, in order.

It may be called again for the same execution at any time, after a crash or by a message that came twice. It goes on
from where the last run got to, and never makes a second container for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from jobrunner.domain.events import HandedBack, Trouble
from jobrunner.domain.outcomes import Outcome, judge_error
from jobrunner.engine.claim import claim
from jobrunner.engine.finish import close
from jobrunner.engine.janitors.reap import reap_execution
from jobrunner.engine.keep_files import keep_files
from jobrunner.engine.launch import create, start
from jobrunner.engine.node import Run, ThisNode
from jobrunner.engine.place_files import place_files
from jobrunner.engine.run_end import RunEnd
from jobrunner.engine.watch import watch
from jobrunner.errors import ContainerError, EngineDiskFull, ServiceUnavailable, Superseded

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0

Step = Callable[[ThisNode, Run], Outcome | RunEnd | None]
STEPS: tuple[Step, ...] = (claim, create, place_files, start, watch)


def run_execution(node: ThisNode, execution_id: str) -> RunEnd:
    """Run the execution to its end, or until the worker shuts down (HANDED_BACK: its container goes on)."""
    run = node.begin(execution_id)
    if run is None:
        return RunEnd.ALREADY_HERE
    try:
        end = _steps(node, run)
        if end is RunEnd.HANDED_BACK:
            node.farm.announce(HandedBack(execution_id, node.name))
        return end
    except Superseded:
        _clean_up(node, execution_id)
        return RunEnd.SUPERSEDED
    finally:
        if run.reader is not None:
            run.reader.close()
        node.end(run)


def _steps(node: ThisNode, run: Run) -> RunEnd:
    for step in STEPS:
        end = _patiently(node, run, step)
        if isinstance(end, Outcome):
            return _keep_and_finish(node, run, end)
        if end is not None:
            return end
    raise AssertionError("the last step ends the run")


def _patiently(node: ThisNode, run: Run, step: Step) -> Outcome | RunEnd | None:
    """Take a step, waiting out services that do not answer; its container goes on meanwhile."""
    pause_seconds = FIRST_PAUSE_SECONDS
    while True:
        try:
            return step(node, run)
        except EngineDiskFull as error:
            node.pause()
            node.farm.announce(Trouble(run.execution_id, step.__name__, str(error)))
            return judge_error(error)
        except ContainerError as error:
            return judge_error(error)
        except ServiceUnavailable as error:
            node.farm.announce(Trouble(run.execution_id, step.__name__, str(error)))
        _forget_connection(run)
        if node.detached.wait(pause_seconds):
            return RunEnd.HANDED_BACK
        pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)


def _forget_connection(run: Run) -> None:
    """What was under way when a service went may have happened: look before anything is made or read again."""
    run.look_first = True
    if run.reader is not None:
        run.reader.close()
        run.reader = None


def _keep_and_finish(node: ThisNode, run: Run, outcome: Outcome) -> RunEnd:
    def keep(node: ThisNode, run: Run) -> Outcome | RunEnd:
        return keep_files(node, run, outcome)

    end = _patiently(node, run, keep)
    assert end is not None
    return _finish(node, run, end) if isinstance(end, Outcome) else end


def _finish(node: ThisNode, run: Run, outcome: Outcome) -> RunEnd:
    def close_run(node: ThisNode, run: Run) -> RunEnd:
        if close(node.farm, run.held, replace(outcome, usage=run.usage)) is None:
            raise Superseded(run.execution_id)
        return RunEnd.CLOSED

    end = _patiently(node, run, close_run)
    assert isinstance(end, RunEnd)
    if end is RunEnd.CLOSED:
        _clean_up(node, run.execution_id)
    return end


def _clean_up(node: ThisNode, execution_id: str) -> None:
    try:
        reap_execution(node, execution_id)
    except ServiceUnavailable as error:  # the reaper does it later
        node.farm.announce(Trouble(execution_id, "clean up", str(error)))
