"""What a request for a list asks for: the filter for the engine, and the parameters that lead to the next page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from flask import request

from jobrunner.api.native import query
from jobrunner.domain.listing import ExecutionFilter, JobFilter

ChosenBy = Mapping[str, str | Sequence[str]]
COMMON = ("label", "since", "until", "after")


def chosen_executions(*more: str) -> tuple[ExecutionFilter, ChosenBy]:
    """The executions that are asked for. `more`: names of parameters that only some of the lists have."""
    names = ("status", *more, "node", *COMMON)
    query.only(*names)
    chosen = ExecutionFilter(
        states=query.states(),
        task_id=query.task(),
        node=request.args.get("node") or None,
        labels=query.labels(),
        since=query.instant("since"),
        until=query.instant("until"),
    )
    return chosen, _chosen_by(*names)


def chosen_jobs(now: datetime) -> tuple[JobFilter, ChosenBy]:
    """The jobs that are asked for."""
    names = ("task", "state", *COMMON)
    query.only(*names)
    chosen = JobFilter(
        task_id=query.task(),
        state=query.job_state(),
        at=now,
        labels=query.labels(),
        since=query.instant("since"),
        until=query.instant("until"),
    )
    return chosen, _chosen_by(*names)


def _chosen_by(*names: str) -> ChosenBy:
    """These parameters as they were given, but for where the page begins."""
    given = {name: request.args.getlist(name) for name in names if name != "after"}
    return {name: values for name, values in given.items() if any(values)}
