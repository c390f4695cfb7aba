"""The public URLs of things. They have no slash at the end, as in fastlane's examples; a caller may add one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from flask import request

from jobrunner.settings import Settings


@dataclass(frozen=True)
class Urls:
    """URLs below `base`, the address at which callers see this API."""

    base: str

    def task(self, task_id: str) -> str:
        """The URL of a task."""
        return f"{self.base}/tasks/{quote(task_id, safe='')}"

    def job(self, task_id: str, job_id: str) -> str:
        """The URL of a job."""
        return f"{self.task(task_id)}/jobs/{job_id}"

    def execution(self, task_id: str, job_id: str, execution_id: str) -> str:
        """The URL of an execution."""
        return f"{self.job(task_id, job_id)}/executions/{execution_id}"

    def file(self, file_id: str) -> str:
        """The URL of an uploaded file."""
        return f"{self.files}/{file_id}"

    @property
    def files(self) -> str:
        """The URL of the list of uploaded files."""
        return f"{self.base}/files"

    @property
    def tasks(self) -> str:
        """The URL of the list of tasks."""
        return f"{self.base}/tasks"

    @property
    def templates(self) -> str:
        """The URL of the list of templates."""
        return f"{self.base}/templates"

    @property
    def search(self) -> str:
        """The URL of the search for tasks."""
        return f"{self.base}/search"

    @property
    def jobs(self) -> str:
        """The URL of the list of all jobs."""
        return f"{self.base}/jobs"

    @property
    def events(self) -> str:
        """The URL of the events of the farm."""
        return f"{self.base}/events"

    @property
    def executions(self) -> str:
        """The URL of the list of executions."""
        return f"{self.base}/executions"


def with_query(url: str, **query: str | int | Sequence[str] | None) -> str:
    """`url/?...` with those parts of the query that are not None; a part of several values comes several times."""
    given = {name: value for name, value in query.items() if value is not None}
    return f"{url}/?{urlencode(given, doseq=True, safe=',')}"


def urls_for_request(settings: Settings) -> Urls:
    """URLs as this caller can use them: below the configured address, else below the one that was asked."""
    return Urls((settings.public_url or request.url_root).rstrip("/"))
