"""Tasks in MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mongoengine import QuerySet

from jobrunner.domain.executions import Page, Task
from jobrunner.domain.identifiers import words_of
from jobrunner.store.documents.jobs import TaskDocument
from jobrunner.store.errors import translating_errors
from jobrunner.store.visibility import tasks_that_match

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
                set__words=words_of(task_id),
                inc__jobs_count=new_jobs,
            )

    def get(self, task_id: str) -> Task | None:
        """The task of this id."""
        with translating_errors():
            document = TaskDocument.objects(id=task_id).first()
        return _task(document) if document else None

    def page(self, number: int, per_page: int, *, visible: str | None = None) -> Page[Task]:
        """A page of all tasks, the oldest first."""
        return _page(tasks_that_match(visible), number, per_page)

    def search(self, words: Sequence[str], number: int, per_page: int, *, visible: str | None = None) -> Page[Task]:
        """A page of the tasks whose ids have all of these words, the oldest first."""
        return _page(tasks_that_match(visible).filter(words__all=list(words)), number, per_page)

    def count(self) -> int:
        """About how many tasks there are."""
        with translating_errors():
            return int(TaskDocument._get_collection().estimated_document_count())

    def count_visible(self, visible: str) -> tuple[int, int]:
        """How many tasks have ids that match a pattern, and how many jobs these have."""
        matching = tasks_that_match(visible)
        with translating_errors():
            return int(matching.count()), int(matching.sum("jobs_count"))


def _page(query: QuerySet, number: int, per_page: int) -> Page[Task]:
    with translating_errors():
        found = query.order_by("created_at", "id").skip((number - 1) * per_page).limit(per_page)
        return Page(tuple(map(_task, found)), number, per_page, total=query.count())


def _task(document: TaskDocument) -> Task:
    return Task(document.id, document.created_at, document.modified_at, document.jobs_count)
