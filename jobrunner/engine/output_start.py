"""What is followed, and from where on."""

from __future__ import annotations

from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.identifiers import retry_id
from jobrunner.domain.output_position import OutputPosition
from jobrunner.domain.ports.output_store import Chunk
from jobrunner.domain.states import State
from jobrunner.engine import queries
from jobrunner.engine.farm import Farm
from jobrunner.errors import Fault, InvalidRequest

BATCH = 8  # chunks that are looked at together
TAIL_BYTES = 16 * 1024**2  # the last lines are looked for in this much of the end of an output


def followed_execution(farm: Farm, job: Job, position: OutputPosition | None) -> Execution:
    """The execution that is followed by who follows a job: its last one, or an attempt that still has to begin.

    Who comes back with a position goes on with the execution that it is of, and after its end with the next attempt.
    Raises NotFound where the job has none, InvalidRequest where the position is of another job.
    """
    if position is None:
        return _last_or_next_attempt(farm, job)
    begun = farm.store.executions.get(position.execution_id)
    if begun is None or begun.job_id != job.id:
        raise InvalidRequest(Fault("position", "is of no execution of this job"))
    if not position.is_end:
        return begun
    return farm.store.executions.get(retry_id(begun.id)) or _last_or_next_attempt(farm, job)


def _last_or_next_attempt(farm: Farm, job: Job) -> Execution:
    newest = queries.newest_execution(farm, job)
    if newest is not None and newest.state is State.SCHEDULED and newest.attempt > 1:
        return newest
    return queries.last_execution(farm, job)


def at_end(farm: Farm, execution: Execution) -> OutputPosition:
    """After all that is stored now."""
    last = farm.store.output.last(execution.id)
    return OutputPosition(execution.id, last.sequence + 1 if last else 0)


def before_last_lines(farm: Farm, execution: Execution, lines: int) -> OutputPosition:
    """Before the last `lines` lines, in the order as both streams were written; a last line may be without its end.

    Where TAIL_BYTES hold fewer, before these bytes. At most BATCH chunks are in memory.
    """
    end = at_end(farm, execution)
    if lines == 0:
        return end
    search = _LineSearch(lines)
    first = end.sequence
    while first > 0 and search.found is None and search.seen_bytes < TAIL_BYTES:
        before, first = first, max(0, first - BATCH)
        for chunk in reversed(list(farm.store.output.chunks(execution.id, after=first - 1, limit=before - first))):
            if search.found is None:
                search.look(chunk)
    return search.found or OutputPosition(execution.id, first)


class _LineSearch:
    """Looks through an output from its end for the end of the line before the last `lines` ones."""

    def __init__(self, lines: int) -> None:
        self._missing = lines
        self._is_at_end = True
        self.seen_bytes = 0
        self.found: OutputPosition | None = None

    def look(self, chunk: Chunk) -> None:
        """Count the lines of the chunk before those that were looked at."""
        content = b"".join(fragment.content for fragment in chunk.fragments)
        self.seen_bytes += len(content)
        end = len(content)
        if self._is_at_end and content:
            self._is_at_end = False
            end -= content.endswith(b"\n")  # the end of the last line: none begins after it
        while (end := content.rfind(b"\n", 0, end)) >= 0:
            self._missing -= 1
            if self._missing == 0:
                self.found = OutputPosition(chunk.execution_id, chunk.sequence, end + 1)
                return
