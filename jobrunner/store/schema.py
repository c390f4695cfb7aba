"""The steps that lead a database from one schema version to the next.

Raise SCHEMA_VERSION (documents/farm.py) and add a step here, where documents that are stored already could not be read,
or not be found, as they are. Every step is idempotent and does no harm beside a second process that takes it at the
same time: so no lock is needed, and one that died half way is simply taken again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import structlog

from jobrunner.domain.identifiers import words_of
from jobrunner.domain.states import TERMINAL
from jobrunner.errors import SettingsError
from jobrunner.store.documents.executions import ExecutionDocument
from jobrunner.store.documents.farm import SCHEMA_VERSION, FarmDocument
from jobrunner.store.documents.jobs import TaskDocument
from jobrunner.store.errors import translating_errors
from jobrunner.store.farm import SINGLETON, farm_document

FIRST_VERSION = 1  # of databases in which none is noted
BATCH = 1000

log = structlog.get_logger(__name__)


def bring_up_to_date() -> None:
    """Bring the database to SCHEMA_VERSION, a step at a time; a new one is of that version from its start.

    Raises SettingsError where it is of a later version than this program knows, StoreUnavailable.
    """
    version = farm_document().schema_version or FIRST_VERSION
    if version > SCHEMA_VERSION:
        raise SettingsError(
            f"The database is of schema version {version}, and this jobrunner knows versions up to {SCHEMA_VERSION}: "
            "install the newer jobrunner again, or restore a backup from before it."
        )
    for step in range(version + 1, SCHEMA_VERSION + 1):
        log.info("schema_migration", to_version=step)
        with translating_errors():
            STEPS[step]()
            FarmDocument.objects(id=SINGLETON).update_one(max__schema_version=step)


def _give_tasks_their_words() -> None:
    for task in TaskDocument.objects(words__in=[None, []]).only("id"):
        TaskDocument.objects(id=task.id).update_one(set__words=words_of(task.id))


def _have_ended_executions_counted() -> None:
    executions = ExecutionDocument._get_collection()
    uncounted: dict[str, Any] = {"state": {"$in": [state.value for state in TERMINAL]}, "counted": {"$exists": False}}
    ids = (found["_id"] for found in executions.find(uncounted, {"_id": 1}).batch_size(BATCH))
    while batch := list(islice(ids, BATCH)):
        executions.update_many({"_id": {"$in": batch}, **uncounted}, {"$set": {"counted": False}})


STEPS: Mapping[int, Callable[[], None]] = {
    2: _give_tasks_their_words,  # /search/ finds a task by them
    3: _have_ended_executions_counted,  # what is not marked is in no total
}
