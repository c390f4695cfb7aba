"""Read the small result that a program has written to a file of its container."""

from __future__ import annotations

from jobrunner.domain.ports.executor import Container, Executor
from jobrunner.domain.ports.file_stores import EntryKind, PathEntry
from jobrunner.domain.result import RESULT_BYTES, parse_result
from jobrunner.errors import ContainerVanished, PathMissing


def read_result(executor: Executor, container: Container, path: str) -> tuple[str | None, str]:
    """The result as JSON text, or None and why there is none, in words."""
    try:
        with executor.read_path(container, path) as entries:
            return parse_result(_content(next(entries))), ""
    except PathMissing:
        return None, f"{path} is not there"
    except ContainerVanished:
        return None, f"{path} could not be read: the container is gone"
    except ValueError as error:
        return None, f"{path} {error}"


def _content(entry: PathEntry) -> bytes:
    if entry.kind is not EntryKind.FILE:
        raise ValueError(f"is a {entry.kind}, and no file")
    if entry.size_bytes > RESULT_BYTES:
        raise ValueError(f"has {entry.size_bytes} bytes, and a result at most {RESULT_BYTES}")
    return b"".join(entry.content)
