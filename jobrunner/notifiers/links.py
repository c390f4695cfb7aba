"""Where people find an execution, in webhooks and e-mail. Only a farm that knows its public address has such links."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from jobrunner.domain.executions import Execution
from jobrunner.settings import Settings


@dataclass(frozen=True)
class Links:
    """The URLs of an execution, its job and its task in the native API; None where public_url is not set."""

    task: str | None = None
    job: str | None = None
    execution: str | None = None

    @classmethod
    def of(cls, execution: Execution, settings: Settings) -> Links:
        """The links of an execution."""
        if settings.public_url is None:
            return cls()
        task = f"{settings.public_url.rstrip('/')}/tasks/{quote(execution.task_id, safe='')}"
        job = f"{task}/jobs/{execution.job_id}"
        return cls(task, job, f"{job}/executions/{execution.id}")
