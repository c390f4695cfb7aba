"""Many jobs in one call: each with its task, and with a name for those in the same call that wait for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from jobrunner.domain.dependencies import MOST_DEPENDENCIES, Dependency, JobId, When
from jobrunner.domain.identifiers import check_task_id
from jobrunner.domain.specification import Specification, Text
from jobrunner.domain.specs import JobSpec
from jobrunner.errors import Fault, InvalidRequest

MOST_JOBS = 1000


def _task_id(value: str) -> str:
    try:
        return check_task_id(value)
    except InvalidRequest as error:
        raise ValueError(error.faults[0].reason) from None


TaskId = Annotated[Text, AfterValidator(_task_id)]
Name = Annotated[Text, StringConstraints(min_length=1, max_length=255)]


class BulkDependency(Specification):
    """That another job must have ended, and how: one of the same call, by its name, or one that is there, by its id."""

    name: Name | None = None
    job: JobId | None = None
    when: When = When.SUCCEEDS

    @model_validator(mode="after")
    def _names_one(self) -> BulkDependency:
        if (self.name is None) == (self.job is None):
            raise ValueError("must have either name (of a job in this call) or job (the id of one that is there)")
        return self


class BulkJob(JobSpec):
    """A job as a call has it that brings many."""

    task: TaskId
    name: Name | None = None
    after: Annotated[tuple[BulkDependency, ...], Field(max_length=MOST_DEPENDENCIES)] = ()  # type: ignore[assignment]


def _not_empty(jobs: tuple[BulkJob, ...]) -> tuple[BulkJob, ...]:
    # Not by min_length: of that pydantic also complains where there are jobs, and all have faults.
    if not jobs:
        raise ValueError("must have a job at least")
    return jobs


class BulkJobs(Specification):
    """What a call brings."""

    jobs: Annotated[
        tuple[BulkJob, ...], Field(max_length=MOST_JOBS, json_schema_extra={"minItems": 1}), AfterValidator(_not_empty)
    ]


def faults_of_graph(jobs: Sequence[BulkJob]) -> list[Fault]:
    """What is wrong with the names in a call, and with who waits for whom."""
    faults = [*_double_names(jobs), *_faults_of_dependencies(jobs)]
    return faults or [*_cycle(jobs)]


def _numbers(jobs: Sequence[BulkJob]) -> dict[str, int]:
    """Where a name is given first."""
    return {job.name: number for number, job in reversed(list(enumerate(jobs))) if job.name is not None}


def _double_names(jobs: Sequence[BulkJob]) -> Iterator[Fault]:
    numbers = _numbers(jobs)
    for number, job in enumerate(jobs):
        if job.name is not None and numbers[job.name] != number:
            yield Fault(f"jobs.{number}.name", f"is the name of jobs.{numbers[job.name]}, too")


def _faults_of_dependencies(jobs: Sequence[BulkJob]) -> Iterator[Fault]:
    names = _numbers(jobs)
    for number, job in enumerate(jobs):
        seen: set[str | None] = set()
        for index, dependency in enumerate(job.after):
            field = f"jobs.{number}.after.{index}"
            if dependency.name is not None and dependency.name not in names:
                yield Fault(f"{field}.name", f"there is no job {dependency.name!r} in this call")
            if (dependency.name or dependency.job) in seen:
                yield Fault(field, "names a job that was named before")
            seen.add(dependency.name or dependency.job)


def _cycle(jobs: Sequence[BulkJob]) -> Iterator[Fault]:
    graph = {
        job.name: [dependency.name for dependency in job.after if dependency.name is not None]
        for job in jobs
        if job.name is not None
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        names = " -> ".join(reversed(error.args[1]))
        yield Fault("jobs", f"wait for each other in a circle, each for the next: {names}")


def specs_of(jobs: Sequence[BulkJob], ids: Sequence[str]) -> list[JobSpec]:
    """The specifications of jobs that have these ids, with ids in the place of names."""
    id_of = {job.name: job_id for job, job_id in zip(jobs, ids, strict=True) if job.name is not None}
    return [_spec(job, id_of) for job in jobs]


def _spec(job: BulkJob, id_of: Mapping[str, str]) -> JobSpec:
    after = tuple(
        Dependency(job=dependency.job or id_of[dependency.name or ""], when=dependency.when) for dependency in job.after
    )
    checked = {name: getattr(job, name) for name in JobSpec.model_fields}
    return JobSpec.model_construct(**{**checked, "after": after})
