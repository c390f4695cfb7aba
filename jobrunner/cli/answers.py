"""What the API answers, as values. Keys that we do not know are left alone: an API may be newer than its client."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from jobrunner.domain.states import State

Document = Mapping[str, Any]


@dataclass(frozen=True)
class ExecutionRef:
    """Where an execution is: its id, and those of its job and its task."""

    task_id: str
    job_id: str
    execution_id: str

    @classmethod
    def from_json(cls, document: Document) -> ExecutionRef:
        """From an answer with taskId, jobId and executionId. Raises KeyError, TypeError or ValueError."""
        ids = [document[key] for key in ("taskId", "jobId", "executionId")]
        if not all(isinstance(value, str) and value for value in ids):
            raise ValueError("taskId, jobId and executionId must be strings")
        return cls(*ids)

    @property
    def job_path(self) -> str:
        """The path of the job below the API's address."""
        return f"/tasks/{quote(self.task_id, safe='')}/jobs/{quote(self.job_id, safe='')}/"

    @property
    def path(self) -> str:
        """The path of the execution below the API's address."""
        return f"{self.job_path}executions/{quote(self.execution_id, safe='')}/"


@dataclass(frozen=True)
class Execution:
    """An execution as the API shows it. `document` is the whole of what it said."""

    execution_id: str
    status: State
    task_id: str = ""
    image: str = ""
    command: str = ""
    node: str | None = None
    exit_code: int | None = None
    cause: str | None = None
    reason: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    document: Document = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, document: Document) -> Execution:
        """From the API's document. Raises KeyError, TypeError or ValueError where it is none."""
        return cls(
            execution_id=document["executionId"],
            status=State(document["status"]),
            task_id=document.get("taskId") or "",
            image=document.get("image") or "",
            command=_command(document.get("command")),
            node=document.get("node"),
            exit_code=document.get("exitCode"),
            cause=document.get("cause"),
            reason=document.get("reason") or "",
            created_at=_instant(document.get("createdAt")),
            started_at=_instant(document.get("startedAt")),
            finished_at=_instant(document.get("finishedAt")),
            document=document,
        )


@dataclass(frozen=True)
class Node:
    """A node of the farm and its worker, as the API shows them. `state` is up, silent or stopped."""

    name: str
    machine: str
    state: str
    slots: int
    running: int
    seen_at: datetime | None
    engine_version: str
    is_draining: bool = False
    document: Document = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, document: Document) -> Node:
        """From the API's document. Raises KeyError, TypeError or ValueError where it is none."""
        return cls(
            name=document["name"],
            machine=document.get("machine") or "",
            state=document["state"],
            slots=document["slots"],
            running=document["running"],
            seen_at=_instant(document.get("seenAt")),
            engine_version=document.get("engineVersion") or "",
            is_draining=document.get("drain") is not None,
            document=document,
        )


@dataclass(frozen=True)
class ApiKey:
    """An API key. `secret` is the whole of it, only where it has just been made."""

    key_id: str
    name: str
    role: str
    state: str
    created_at: datetime | None
    last_used_at: datetime | None
    limits: Mapping[str, Any]
    secret: str = field(default="", repr=False)

    @classmethod
    def from_json(cls, document: Document) -> ApiKey:
        """From the API's document. Raises KeyError, TypeError or ValueError where it is none."""
        limits = ("expiresAt", "taskPattern", "imagePattern", "mostRunning", "mostCpus", "mostMemoryBytes")
        return cls(
            key_id=document["keyId"],
            name=document["name"],
            role=document["role"],
            state=document["state"],
            created_at=_instant(document.get("createdAt")),
            last_used_at=_instant(document.get("lastUsedAt")),
            limits={name: document[name] for name in limits if document.get(name) is not None},
            secret=document.get("key") or "",
        )


def _command(value: Any) -> str:
    return shlex.join(value) if isinstance(value, list | tuple) else value or ""


def _instant(value: str | None) -> datetime | None:
    """An ISO 8601 time; one that names no zone is UTC, as fastlane writes them."""
    if value is None:
        return None
    instant = datetime.fromisoformat(value)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
