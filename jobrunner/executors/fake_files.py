"""The file system of a fake container: enough of one to put files in, and to read what is at a path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from jobrunner.domain.ports.file_stores import EntryKind, FileToPut, PathEntry
from jobrunner.errors import ContainerRejected, PathMissing


@dataclass
class FakeFiles:
    """Files by path: bytes, or the path that a symbolic link points to. A folder is there where something is in it."""

    by_path: dict[str, bytes | str] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)

    def put(self, files: Iterable[FileToPut]) -> None:
        """Put files in. Raises ContainerRejected where a folder is in the place of one."""
        for file in files:
            self.modes[file.path] = file.mode
            if file.content is not None:
                content = b"".join(file.content)
                if any(path.startswith(f"{file.path}/") for path in self.by_path):
                    raise ContainerRejected("the Engine refused to take in its files: a folder is in the place of one")
                self.by_path[file.path] = content

    def write(self, files: Mapping[str, bytes | str]) -> None:
        """What the program in the container leaves."""
        self.by_path |= files

    def entries(self, path: str) -> list[PathEntry]:
        """What there is at and below a path. Raises PathMissing."""
        if path in self.by_path:
            return [_entry("", self.by_path[path])]
        below = {found: content for found, content in self.by_path.items() if found.startswith(f"{path}/")}
        if not below:
            raise PathMissing(path)
        folder = PathEntry("", EntryKind.DIRECTORY)
        return [folder, *(_entry(found.removeprefix(f"{path}/"), content) for found, content in below.items())]


def _entry(name: str, content: bytes | str) -> PathEntry:
    if isinstance(content, str):
        return PathEntry(name, EntryKind.SYMLINK, target=content)
    return PathEntry(name, EntryKind.FILE, len(content), iter([content]))
