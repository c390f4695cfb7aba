"""Tasks in MongoDB."""

from __future__ import annotations

from datetime import datetime

from jobrunner.domain.executions import Page, Task
from jobrunner.store.documents import TaskDocument
from jobrunner.store.errors import translating_errors

SOON_ENOUGH = {"w": 1}  # a later write of the same submission is journalled, and the journal keeps the order


class MongoTasks:
    """The TaskStore port."""

    def touch(self, task_id: str, now: datetime, new_jobs: int = 0) -> None:
        """Make the task if there is none, note that it was modified now, and count its new jobs."""
        with translating_errors():
            TaskDocument.objects(id=task_id).update_one(
                upsert=True,
                write_concern=SOON_ENOUGH,
                set_on_insert__created_at=now,
                set__modified_at=now,
                inc__jobs_count=new_jobs,
            )

    def get(self, task_id: str) -> Task | None:
        """The task of this id."""
        with translating_errors():
            document = TaskDocument.objects(id=task_id).first()
        return _task(document) if document else None

    def page(self, number: int, per_page: int) -> Page[Task]:
        """A page of all tasks, the oldest first."""
        with translating_errors():
            total = TaskDocument.objects.count()
            found = TaskDocument.objects.order_by("created_at", "id").skip((number - 1) * per_page).limit(per_page)
            return Page(tuple(map(_task, found)), number, per_page, total)


def _task(document: TaskDocument) -> Task:
    return Task(document.id, document.created_at, document.modified_at, document.jobs_count)
