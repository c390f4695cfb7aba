"""Follow a started container to its end, storing what it writes: last step of a run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from jobrunner.domain.outcomes import ContainerExit, Outcome, judge_exit
from jobrunner.engine.capture import GaveUp
from jobrunner.engine.node import Run, ThisNode
from jobrunner.engine.run_end import RunEnd

GLANCE_SECONDS = 1.0  # how long to wait for the exit before looking whether the worker shuts down


def watch(node: ThisNode, run: Run) -> Outcome | RunEnd:
    """Store the output until the container has exited, and judge its exit. HANDED_BACK where the worker shuts down.

    The end of the output is not the end of the container (it may close its streams), nor does a connection that ends
    prove that all was read: the Engine may have gone, and a replay that follows may lose the end (see the port). So
    until the exit is seen after a whole reading, it is read again from the Engine's own log; what is stored already
    is skipped.
    """
    assert run.container is not None and run.capture is not None
    try:
        while True:
            is_live = run.reader is not None
            whole = _read(node, run)
            if not node.detached.is_set():  # before the store is asked, which may be away for long
                run.container = node.executor.wait(run.container, GLANCE_SECONDS)
            run.capture.flush_patiently()
            if node.detached.is_set():
                return RunEnd.HANDED_BACK
            if whole and run.container.ended is not None:
                run.saw_the_end = run.saw_the_end or is_live
                _tell_if_end_may_be_lost(node, run)
                _learn_when_stop_was_wished(node, run)
                return _judge(run, run.container.ended)
    except GaveUp:
        return RunEnd.HANDED_BACK


def _read(node: ThisNode, run: Run) -> bool:
    """Read until the output ends; whether all of it was read."""
    assert run.container is not None and run.capture is not None
    from_first_byte = run.reader is None
    loses_nothing = not from_first_byte or run.container.ended is not None
    if run.reader is None:
        run.reader = node.executor.replay(run.container)
    try:
        if not node.detached.is_set():  # seen after `reader` is set: whoever detaches later interrupts it
            run.capture.copy(run.reader, from_first_byte=from_first_byte)
        return loses_nothing
    except OSError:
        return False
    finally:
        run.reader.close()
        run.reader = None


def _tell_if_end_may_be_lost(node: ThisNode, run: Run) -> None:
    """Where the Engine was away when the container ended, its whole log is not all that was written.

    What was read live to its end was read to the end of the container: then there is no need to ask.
    """
    assert run.container is not None and run.capture is not None
    if not run.saw_the_end and node.executor.may_have_lost_the_end(run.container):
        run.capture.mark_lost_end()
        run.capture.flush_patiently()


def _learn_when_stop_was_wished(node: ThisNode, run: Run) -> None:
    """A wish that comes while the container runs says who is to be stopped, not since when: the store knows."""
    if run.stop_wished.is_set() and run.held.stop_requested_at is None:
        stored = node.farm.store.executions.get(run.execution_id)
        if stored is not None:
            run.execution = replace(run.held, stop_requested_at=stored.stop_requested_at)


def _judge(run: Run, ended: ContainerExit) -> Outcome:
    held = run.held
    deadline = held.deadline
    stopped = run.stop_wished.is_set() and _ended_after_the_wish(run, ended)
    ran_over_unwatched = run.kill_at is None and deadline is not None and ended.finished_at >= deadline
    timed_out = run.timed_out or (ran_over_unwatched and not stopped)
    return judge_exit(
        ended, stopped=stopped, timed_out=timed_out, timeout_seconds=held.timeout_seconds, drained=run.drained
    )


def _ended_after_the_wish(run: Run, ended: ContainerExit) -> bool:
    """Not where it had ended by itself before. The wish has the API's time; our own signal that of this machine."""
    requested_at = run.held.stop_requested_at
    if requested_at is None or ended.finished_at >= requested_at:
        return True
    grace = timedelta(seconds=run.held.stop_grace_seconds)
    return run.kill_at is not None and ended.finished_at >= run.kill_at - grace
