"""Executions in MongoDB that wait for other jobs."""

from __future__ import annotations

from collections.abc import Iterable

from jobrunner.domain.executions import Execution
from jobrunner.domain.states import State
from jobrunner.store.documents.executions import ExecutionDocument
from jobrunner.store.documents.jobs import JobDocument
from jobrunner.store.errors import translating_errors
from jobrunner.store.executions import listed
from jobrunner.store.tasks import SOON_ENOUGH
from jobrunner.store.visibility import of_visible_tasks


class MongoDependencies:
    """The DependencyStore port."""

    def known_jobs(self, job_ids: Iterable[str], *, visible: str | None = None) -> set[str]:
        """Those of these ids that are ids of jobs; `visible`: of tasks whose ids match this."""
        with translating_errors():
            seen = JobDocument.objects(__raw__=of_visible_tasks(visible))
            return set(seen(id__in=list(job_ids)).scalar("id"))

    def waiting_for(self, job_id: str, after_id: str, limit: int) -> list[str]:
        """The ids of the executions that wait for a job, in order, those after `after_id`."""
        query = ExecutionDocument.objects(waits_for=job_id, state=State.SCHEDULED.value, id__gt=after_id)
        with translating_errors():
            return list(query.order_by("id").limit(limit).scalar("id"))

    def wait_no_more(self, execution_id: str, job_id: str) -> bool:
        """Take a job from those that an execution waits for, unless it is the only one; whether that was done."""
        waiting = ExecutionDocument.objects(
            id=execution_id, state=State.SCHEDULED.value, waits_for=job_id, waits_for__1__exists=True
        )
        with translating_errors():
            return bool(waiting.update_one(pull__waits_for=job_id))

    def owing_follow_up(self, limit: int) -> list[Execution]:
        """Executions whose `owes_follow_up` stands."""
        return listed(ExecutionDocument.objects(owes_follow_up=True), limit)

    def settle_follow_up(self, execution: Execution) -> None:
        """Take back its `owes_follow_up`, if it is still in the same state. This need not be durable."""
        same = ExecutionDocument.objects(id=execution.id, state=execution.state.value)
        with translating_errors():
            same.update_one(unset__owes_follow_up=True, write_concern=SOON_ENOUGH)
