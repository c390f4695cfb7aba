"""Jobs in MongoDB."""

from __future__ import annotations

from datetime import datetime

from mongoengine import NotUniqueError, Q
from pymongo.errors import DuplicateKeyError

from jobrunner.domain.executions import Job, TemplateUse
from jobrunner.domain.specs import JobSpec
from jobrunner.errors import Conflict
from jobrunner.store.documents import JobDocument
from jobrunner.store.errors import translating_errors
from jobrunner.store.tasks import SOON_ENOUGH


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

    def replace(self, job: Job) -> bool:
        """Give a stored job a new spec, which came from elsewhere; it is no longer stopped. False: no such job."""
        with translating_errors():
            return bool(
                JobDocument.objects(id=job.id, task_id=job.task_id).update_one(
                    set__spec=job.spec.to_json(),
                    set__modified_at=job.modified_at,
                    set__revision=job.revision,
                    set__caller_address=job.caller_address,
                    unset__stopped_at=True,
                    unset__template_name=True,
                    unset__template_revision=True,
                )
            )

    def set_stopped(self, job_id: str, at: datetime) -> None:
        """Note that the job was stopped, if it was not before."""
        with translating_errors():
            JobDocument.objects(id=job_id, stopped_at=None).update_one(set__stopped_at=at, set__modified_at=at)

    def count_execution(self, job_id: str, at: datetime) -> None:
        """Count one more execution of the job, and note when it was last modified."""
        with translating_errors():
            JobDocument.objects(id=job_id).update_one(
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

    def count(self) -> int:
        """About how many jobs there are."""
        with translating_errors():
            return int(JobDocument._get_collection().estimated_document_count())


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
        template=TemplateUse(document.template_name, document.template_revision) if document.template_name else None,
    )
