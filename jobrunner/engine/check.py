"""Whether this farm can do what a job asks for, as far as can be said before it is taken in."""

from __future__ import annotations

from jobrunner.domain.specs import JobSpec
from jobrunner.engine.farm import Farm
from jobrunner.errors import Fault, InvalidRequest


def check_dependencies(farm: Farm, spec: JobSpec) -> None:
    """Raise InvalidRequest where a job waits for one that is not there, naming each."""
    if not spec.after:
        return
    known = farm.store.dependencies.known_jobs(
        (dependency.job for dependency in spec.after), visible=farm.caller.limits.task_pattern
    )
    faults = [
        Fault(f"after.{index}.job", f"there is no job {dependency.job!r}")
        for index, dependency in enumerate(spec.after)
        if dependency.job not in known
    ]
    if faults:
        raise InvalidRequest(*faults)
