"""What a job waits for before it starts: how other jobs end."""

from __future__ import annotations

import uuid
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from jobrunner.domain.hooks import Moment
from jobrunner.domain.specification import Specification, Text

MOST_DEPENDENCIES = 1000


class When(StrEnum):
    """How a job must have ended. What was stopped has finished, and neither succeeded nor failed."""

    SUCCEEDS = Moment.SUCCEEDS.value
    FAILS = Moment.FAILS.value
    FINISHES = Moment.FINISHES.value


def _job_id(value: str) -> str:
    try:
        canonical = str(uuid.UUID(value))
    except ValueError:
        canonical = ""
    if canonical != value.lower():
        raise ValueError("must be the id of a job: a UUID such as 5a023792-1445-44e9-8a8b-cfe5ad05d1c6")
    return canonical


JobId = Annotated[Text, AfterValidator(_job_id)]


class Dependency(Specification):
    """That another job must have ended, and how."""

    job: JobId
    when: When = When.SUCCEEDS


def _each_once(dependencies: tuple[Dependency, ...]) -> tuple[Dependency, ...]:
    jobs = [dependency.job for dependency in dependencies]
    twice = next((job for job in jobs if jobs.count(job) > 1), None) if len(set(jobs)) < len(jobs) else None
    if twice is not None:
        raise ValueError(f"names the job {twice} more than once")
    return dependencies


Dependencies = Annotated[tuple[Dependency, ...], Field(max_length=MOST_DEPENDENCIES), AfterValidator(_each_once)]
