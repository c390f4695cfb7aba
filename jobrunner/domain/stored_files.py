"""Files that are kept: those that somebody uploaded, and those of containers; plain immutable values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class StoredFile:
    """A file that somebody uploaded. `is_whole`: all of it came. `used_at`: when it was last uploaded, named or placed.

    `caller_address`: from where it came; `api_key_id`: with which key.
    """

    id: str
    name: str
    created_at: datetime
    used_at: datetime
    size_bytes: int = 0
    sha256: str = ""
    is_whole: bool = False
    caller_address: str | None = None
    api_key_id: str | None = None


@dataclass(frozen=True)
class Artifact:
    """A file of a container that is kept: `name` is the job's name for it. Its sha256 is that of what was kept."""

    name: str
    path: str
    size_bytes: int
    sha256: str
    is_whole: bool
    content_id: str


@dataclass(frozen=True)
class NotKept:
    """Something that was to be kept, or was found there, and was not kept; why, in words."""

    path: str
    reason: str


@dataclass(frozen=True)
class Artifacts:
    """All that is kept of an execution. `writer` names the try that stored it, `claim` the run that it was part of."""

    execution_id: str
    claim: int
    writer: str
    items: tuple[Artifact, ...] = ()
    not_kept: tuple[NotKept, ...] = ()


@dataclass(frozen=True)
class ArtifactSummary:
    """How much is kept of an execution. `is_whole`: that is all that its job named."""

    count: int
    size_bytes: int
    is_whole: bool


@dataclass(frozen=True)
class Kept:
    """What the files of a container that has ended add to its outcome. `result` is JSON, as text."""

    artifacts: ArtifactSummary | None = None
    result: str | None = None
    result_error: str = ""
