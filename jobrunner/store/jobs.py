"""Jobs in MongoDB."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from mongoengine import NotUniqueError, Q
from pymongo.errors import DuplicateKeyError

from jobrunner.domain.executions import Job, TemplateUse
from jobrunner.domain.labels import label_terms
from jobrunner.domain.listing import JobFilter, JobState, Position, Slice
from jobrunner.domain.specs import JobSpec
from jobrunner.errors import Conflict
from jobrunner.store.documents.jobs import JobDocument
from jobrunner.store.errors import translating_errors
from jobrunner.store.newest_first import NEWEST_FIRST, Choice, created, read_slice
from jobrunner.store.tasks import SOON_ENOUGH
from jobrunner.store.visibility import of_visible_tasks

STATE_FIELDS = {
    JobState.SCHEDULED: "scheduled_until",
    JobState.PAUSED: "paused_at",
    JobState.STOPPED: "stopped_at",
}


class MongoJobs:
    """The JobStore port."""

    def add(self, job: Job) -> None:
        """Store a new job. Raises Conflict where its id is taken."""
        try:
            with translating_errors():
                job_document(job).save(force_insert=True, write_concern=SOON_ENOUGH)
        except (NotUniqueError, DuplicateKeyError):
            raise Conflict("jobId", "is taken by another job") from None

    def get(self, job_id: str) -> Job | None:
        """The job of this id."""
        with translating_errors():
            document = JobDocument.objects(id=job_id).first()
        return _job(document) if document else None

    def get_all(self, job_ids: Iterable[str]) -> list[Job]:
        """The jobs of these ids; as many as there are."""
        with translating_errors():
            return [_job(document) for document in JobDocument.objects(id__in=list(job_ids))]

    def replace(self, job: Job) -> bool:
        """Give a stored job a new spec, which came from elsewhere; it is no longer stopped. False: no such job."""
        found_by = {"scheduled_until": job.scheduled_until, "labels": label_terms(job.spec.labels)}
        changes = {f"set__{name}": value for name, value in found_by.items() if value}
        gone = {f"unset__{name}": True for name, value in found_by.items() if not value}
        with translating_errors():
            return bool(
                JobDocument.objects(id=job.id, task_id=job.task_id).update_one(
                    set__spec=job.spec.to_json(),
                    set__modified_at=job.modified_at,
                    set__revision=job.revision,
                    set__caller_address=job.caller_address,
                    set__api_key_id=job.api_key_id,
                    unset__stopped_at=True,
                    unset__paused_at=True,
                    unset__template_name=True,
                    unset__template_revision=True,
                    **changes,
                    **gone,
                )
            )

    def pause(self, job_id: str, at: datetime) -> bool:
        """Note that the job is paused; False where it was paused already."""
        with translating_errors():
            return bool(
                JobDocument.objects(id=job_id, paused_at=None).update_one(set__paused_at=at, set__modified_at=at)
            )

    def resume(self, job_id: str, at: datetime) -> bool:
        """Note that the job is not paused any more; False where it was not."""
        with translating_errors():
            return bool(
                JobDocument.objects(id=job_id, paused_at__ne=None).update_one(
                    unset__paused_at=True, set__modified_at=at
                )
            )

    def take_turn(self, job_id: str, after: str | None, tick_id: str) -> bool:
        """Have a tick follow the one that had the turn; False where another one was faster."""
        with translating_errors():
            return bool(JobDocument.objects(id=job_id, turn=after).update_one(set__turn=tick_id))

    def set_stopped(self, job_id: str, at: datetime) -> None:
        """Note that the job was stopped, if it was not before."""
        with translating_errors():
            JobDocument.objects(id=job_id, stopped_at=None).update_one(
                set__stopped_at=at, set__modified_at=at, unset__scheduled_until=True
            )

    def count_execution(self, job_id: str, at: datetime) -> None:
        """Count one more execution of the job, and note when it was last modified."""
        self.count_executions([job_id], at)

    def count_executions(self, job_ids: Iterable[str], at: datetime) -> None:
        """The same for many jobs, in one step."""
        with translating_errors():
            JobDocument.objects(id__in=list(job_ids)).update(
                inc__executions_count=1, set__modified_at=at, write_concern=SOON_ENOUGH
            )

    def discount_execution(self, job_id: str) -> None:
        """Count one execution less: it was deleted."""
        with translating_errors():
            JobDocument.objects(id=job_id).update_one(inc__executions_count=-1, write_concern=SOON_ENOUGH)

    def ids_of_task(self, task_id: str, after: str | None, limit: int) -> list[str]:
        """The ids of a task's jobs, the oldest first, those after job `after`, at most `limit`."""
        with translating_errors():
            query = Q(task_id=task_id)
            last = JobDocument.objects(id=after).only("created_at").first() if after else None
            if last:
                same_instant = Q(created_at=last.created_at, id__gt=after)
                query &= Q(created_at__gt=last.created_at) | same_instant
            return list(JobDocument.objects(query).order_by("created_at", "id").limit(limit).scalar("id"))

    def slice(self, chosen: JobFilter, limit: int, after: Position | None = None) -> Slice[Job]:
        """Some of the jobs that are wanted, the newest first."""
        found, following = read_slice(JobDocument, _choice(chosen, after), limit)
        return Slice(tuple(map(_job, found)), following)

    def count(self) -> int:
        """About how many jobs there are."""
        with translating_errors():
            return int(JobDocument._get_collection().estimated_document_count())


def _choice(chosen: JobFilter, after: Position | None) -> Choice:
    """The first of these that is asked for picks the index."""
    wanted: list[tuple[str, Any, Mapping[str, int]]] = [
        ("labels", term, {"labels": 1, **NEWEST_FIRST}) for term in chosen.labels
    ]
    if chosen.task_id is not None:
        wanted.append(("task_id", chosen.task_id, {"task_id": 1, "created_at": 1, "_id": 1}))
    if chosen.state is not None:
        field = STATE_FIELDS[chosen.state]
        wanted.append((field, {"$exists": True}, {**NEWEST_FIRST, field: 1}))
    narrow = created(chosen.since, chosen.until, after) | {name: value for name, value, _ in wanted[:1]}
    rest: list[dict[str, Any]] = [{name: value} for name, value, _ in wanted[1:]]
    if chosen.state is JobState.SCHEDULED:  # nothing is written when the last time passes
        rest.append({"scheduled_until": {"$gt": chosen.at}, "paused_at": None})
    rest += [seen] if (seen := of_visible_tasks(chosen.visible)) else []
    return Choice(wanted[0][2] if wanted else NEWEST_FIRST, narrow, {"$and": rest} if rest else {})


def job_document(job: Job) -> JobDocument:
    """A new job as it is stored."""
    return JobDocument(
        id=job.id,
        task_id=job.task_id,
        spec=job.spec.to_json(),
        created_at=job.created_at,
        modified_at=job.modified_at,
        executions_count=job.executions_count,
        caller_address=job.caller_address,
        api_key_id=job.api_key_id,
        scheduled_until=job.scheduled_until,
        labels=label_terms(job.spec.labels) or None,
        template_name=job.template and job.template.name,
        template_revision=job.template and job.template.revision,
    )


def _job(document: JobDocument) -> Job:
    return Job(
        id=document.id,
        task_id=document.task_id,
        spec=JobSpec.model_validate_json(document.spec),
        created_at=document.created_at,
        modified_at=document.modified_at,
        executions_count=document.executions_count,
        revision=document.revision,
        stopped_at=document.stopped_at,
        caller_address=document.caller_address,
        api_key_id=document.api_key_id,
        paused_at=document.paused_at,
        turn=document.turn,
        scheduled_until=document.scheduled_until,
        template=TemplateUse(document.template_name, document.template_revision) if document.template_name else None,
    )
