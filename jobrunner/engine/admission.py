"""Whether a caller may have this run: the limits of its key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from jobrunner.domain.api_keys import Limits
from jobrunner.domain.resources import MILLIS
from jobrunner.domain.specs import JobSpec
from jobrunner.engine.farm import Farm
from jobrunner.errors import Fault, Forbidden, InvalidRequest, NotFound, TooManyRequests

RETRY_AFTER_SECONDS = 5.0


@contextmanager
def admission(farm: Farm, task_id: str, spec: JobSpec) -> Iterator[None]:
    """Store the job, and what it begins with, within this; raises a RequestError where the key does not allow it."""
    check_job(farm, task_id, spec)
    with room_for(farm, [spec]):
        yield


def check_job(farm: Farm, task_id: str, spec: JobSpec) -> None:
    """Raise NotFound, Forbidden or InvalidRequest where the caller's key does not allow such a job, run when it may."""
    check_task(farm, task_id)
    _check_image(farm.caller.limits, spec)
    _check_resources(farm.caller.limits, spec)


@contextmanager
def room_for(farm: Farm, specs: Sequence[JobSpec]) -> Iterator[None]:
    """Store what these jobs begin with within this; raises TooManyRequests where that is more than the key may have.

    The count of what a key has under way and the new executions that change it are one step in this process. (With
    several API processes, requests that come at once can go beyond the limit by one for each further process.)
    """
    limits = farm.caller.limits
    if farm.caller.key_id is None or limits.most_running is None:
        yield
        return
    with farm.admission:
        _check_count(farm, farm.caller.key_id, limits.most_running, sum(map(_at_once, specs)))
        yield


def check_task(farm: Farm, task_id: str) -> None:
    """Raise NotFound where the caller does not see this task."""
    if not farm.caller.limits.allows_task(task_id):
        raise NotFound("taskId", task_id)


def _check_image(limits: Limits, spec: JobSpec) -> None:
    if not limits.allows_image(spec.image):
        raise Forbidden("image", f"is not one that this API key may run: it must match {limits.image_pattern}")


def _check_resources(limits: Limits, spec: JobSpec) -> None:
    needs = spec.resources.needs
    _check_amount("resources.cpu", needs.cpu_millis / MILLIS, limits.most_cpus, "")
    _check_amount("resources.memory", needs.memory_bytes, limits.most_memory_bytes, " bytes")


def _check_amount(field: str, needed: float, most: float | None, unit: str) -> None:
    """0 is not said, and would not be bounded on the node either."""
    if most is None:
        return
    if not needed:
        raise InvalidRequest(Fault(field, f"is required with this API key, and at most {most:g}{unit}"))
    if needed > most:
        raise Forbidden(field, f"must be at most {most:g}{unit} with this API key")


def _at_once(spec: JobSpec) -> int:
    """How many executions of a job that is taken in may run at the same time, sooner or later."""
    return min(spec.array.size, spec.array.most_at_once) if spec.array else 1


def _check_count(farm: Farm, key_id: str, most: int, new_executions: int) -> None:
    if new_executions > most:
        raise Forbidden("key", f"may have {most} executions at once, and this alone would have {new_executions}")
    at_work = farm.store.executions.count_at_work(key_id, most)
    if at_work + new_executions > most:
        room = "wait for one to end" if new_executions == 1 else f"{new_executions} more do not fit"
        raise TooManyRequests(
            "key",
            f"may have {most} executions waiting or running at once, and has {at_work}: {room}",
            RETRY_AFTER_SECONDS,
        )
