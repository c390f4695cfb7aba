"""Delete uploaded files that nobody has used for long enough, and what is left of uploads that were broken off."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from jobrunner.domain.retention import age
from jobrunner.domain.stored_files import StoredFile
from jobrunner.engine.farm import Farm
from jobrunner.engine.files import BROKEN_OFF_AFTER, forget_file

BATCH = 100


def prune_files(farm: Farm) -> None:
    """All that are due, a batch at a time. One that an execution still needs is looked at again after its time."""
    for broken in _idle(farm, BROKEN_OFF_AFTER, whole=False):
        forget_file(farm, broken)
    least_age = age(farm.settings.file_retention_days)
    if least_age is None:
        return
    for file in _idle(farm, least_age, whole=True):
        if farm.store.executions.needs_file(file.id):
            farm.store.files.touch([file.id], farm.clock.now())
        else:
            forget_file(farm, file)


def _idle(farm: Farm, least_age: timedelta, *, whole: bool) -> Iterator[StoredFile]:
    """Files that nobody used for so long. Each that is given is gone, or in use again, before the next batch."""
    while batch := farm.store.files.idle(farm.clock.now() - least_age, BATCH, whole=whole):
        for file in batch:
            if farm.stopping.is_set():
                return
            yield file
