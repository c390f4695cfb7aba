"""What a caller sees who is held to some tasks: a condition for queries on what belongs to tasks."""

from __future__ import annotations

from typing import Any

from jobrunner.store.documents.jobs import TaskDocument

# So many can be named in a condition, and MongoDB merges their index entries in order, however rare they are. Of more
# than these it reads the list in its order and leaves out the rest: then there is not much to leave out.
MOST_NAMED = 100


def of_visible_tasks(visible: str | None) -> dict[str, Any]:
    """The condition that the task's id matches a pattern; none where all is visible. May raise as pymongo does."""
    if visible is None:
        return {}
    named = list(tasks_that_match(visible).limit(MOST_NAMED + 1).scalar("id"))
    return {"task_id": {"$in": named} if len(named) <= MOST_NAMED else {"$regex": visible}}


def tasks_that_match(visible: str | None) -> Any:
    """The tasks whose ids match a pattern; a query. The pattern is read by the index of ids alone."""
    return TaskDocument.objects(__raw__={} if visible is None else {"_id": {"$regex": visible}})
