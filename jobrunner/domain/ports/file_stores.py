"""Where files are kept, whole ones and their bytes, and how they are told to the executor that moves them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from jobrunner.domain.stored_files import Artifacts, StoredFile


class ContentStore(Protocol):
    """The bytes of files. A content is written once, and read from any byte on; never all of it in memory."""

    def write(self, content_id: str, pieces: Iterable[bytes]) -> None:
        """Store these bytes. Where `pieces` raises, or the store does, a part of them may be there: delete it."""

    def read(self, content_id: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Its bytes from `offset` on, at most `length`, in pieces. Raises ContentGone where some are not there."""

    def delete(self, content_id: str) -> None:
        """Delete it, or the part of it that is there."""

    def delete_of(self, execution_id: str, *, but_writer: str | None = None) -> None:
        """Delete all contents of an execution (their ids are those of `artifact_content`) but those of one writer."""


def artifact_content(execution_id: str, writer: str, number: int) -> str:
    """The id of a content of an execution: all of them can be found by its beginning."""
    return f"{execution_id}:{writer}:{number}"


class FileStore(Protocol):
    """Uploaded files, without their bytes."""

    def add(self, file: StoredFile) -> bool:
        """Note a file whose bytes are about to come; False where its id is there already."""

    def get(self, file_id: str) -> StoredFile | None:
        """The file of this id, whole or not."""

    def complete(self, file_id: str, size_bytes: int, sha256: str, now: datetime) -> StoredFile | None:
        """Note that all of it has come; None where it is not there any more."""

    def touch(self, file_ids: Iterable[str], now: datetime) -> None:
        """Note that these are in use."""

    def retire(self, file_id: str) -> bool:
        """Note that it is about to be deleted: it is not whole any more. Whether it was."""

    def delete(self, file_id: str) -> None:
        """Delete it. Its bytes have to go before."""

    def page(self, after: StoredFile | None, limit: int, *, api_key_id: str | None = None) -> list[StoredFile]:
        """The whole files (of a key), the newest first, those after `after`, at most `limit`."""

    def idle(self, before: datetime, limit: int, *, whole: bool) -> list[StoredFile]:
        """Files, whole ones or those that are not, that were last in use before an instant, the longest first."""


class ArtifactStore(Protocol):
    """What is kept of executions, without the bytes."""

    def put(self, artifacts: Artifacts) -> bool:
        """Replace what is kept of an execution, at once and as a whole; False where a later run has stored its own."""

    def get(self, execution_id: str) -> Artifacts | None:
        """What is kept of an execution."""

    def delete(self, execution_id: str) -> None:
        """Forget it. The bytes have to go before."""


@dataclass(frozen=True)
class FileToPut:
    """A file for a container, or (where `content` is None) a directory. `path` is absolute, `mode` as for chmod(2)."""

    path: str
    mode: int
    size_bytes: int = 0
    content: Iterable[bytes] | None = None


class EntryKind(StrEnum):
    """What a path of a container can hold. A LINK is a second name of a file that came before."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    SYMLINK = "symbolic link"
    OTHER = "device, pipe or socket"


@dataclass(frozen=True)
class PathEntry:
    """Something at or below a path of a container: `name` is relative to that path, empty for the path itself.

    `content` can be read until the next entry is asked for. `target`: of a LINK, the name of the file.
    """

    name: str
    kind: EntryKind
    size_bytes: int = 0
    content: Iterator[bytes] = field(default_factory=lambda: iter(()))
    target: str = ""
