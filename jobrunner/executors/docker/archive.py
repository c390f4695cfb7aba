"""Files into and out of containers that do not run, through the Engine's archives (tar): streams, never whole."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from urllib.parse import quote

from docker import APIClient
from docker.errors import APIError

from jobrunner.domain.ports.file_stores import EntryKind, FileToPut, PathEntry
from jobrunner.domain.tar_stream import tar_stream
from jobrunner.errors import ContainerRejected, PathMissing
from jobrunner.executors.docker.client import open_stream
from jobrunner.executors.docker.errors import engine_words, is_engine_trouble, is_no_container

PIECE_BYTES = 256 * 1024
NO_SUCH_PATH = (  # in the words of Engine and kernel: only the first comes as a 404
    "could not find the file",
    "not a directory",
    "too many levels of symbolic links",
    "too many links",
    "file name too long",
)
KINDS = {
    tarfile.REGTYPE: EntryKind.FILE,
    tarfile.AREGTYPE: EntryKind.FILE,
    tarfile.GNUTYPE_SPARSE: EntryKind.FILE,
    tarfile.DIRTYPE: EntryKind.DIRECTORY,
    tarfile.LNKTYPE: EntryKind.LINK,
    tarfile.SYMTYPE: EntryKind.SYMLINK,
}


def put(api: APIClient, container_id: str, files: Iterable[FileToPut]) -> None:
    """Put files below the root of a container; folders that are missing are made. Raises ContainerRejected."""
    path = f"/containers/{container_id}/archive?path=/&noOverwriteDirNonDir=1"
    sent = _Unbroken(tar_stream(files))
    try:
        open_stream(api, "PUT", path, data=sent, headers={"Content-Type": "application/x-tar"}).close()
    except APIError as error:
        if is_engine_trouble(error) or is_no_container(error):
            raise
        if sent.failure is None:
            raise ContainerRejected(f"the Engine refused to take in its files: {engine_words(error)}") from error
    if sent.failure is not None:
        raise sent.failure


class _Unbroken:
    """A body that ends where it fails. The Engine then answers once it has done what it could, and does not go on
    after somebody has put the files a second time, as it may where the connection is dropped.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.failure: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._pieces
        except Exception as failure:  # noqa: BLE001 - the caller gets it after the answer
            self.failure = failure


@contextmanager
def entries(api: APIClient, container_id: str, path: str) -> Iterator[Iterator[PathEntry]]:
    """What there is at a path of a container and below it. Raises PathMissing, ConnectionError."""
    plain = {"Accept-Encoding": "identity"}  # else the Engine compresses, in its one thread for it
    try:
        response = open_stream(api, "GET", f"/containers/{container_id}/archive?path={quote(path)}", headers=plain)
    except APIError as error:
        if any(words in str(error.explanation).lower() for words in NO_SUCH_PATH):
            raise PathMissing(path) from None
        raise
    with closing(response):
        yield _entries(response.raw)


def _entries(stream: object) -> Iterator[PathEntry]:
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=PIECE_BYTES) as archive:  # type: ignore[call-overload]
            while (member := archive.next()) is not None:
                yield _entry(archive, member)
                archive.members.clear()  # it would keep them all
    except tarfile.TarError as error:
        raise ConnectionError(f"the Engine broke off in the middle of an archive: {error}") from error


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo) -> PathEntry:
    kind = KINDS.get(member.type, EntryKind.OTHER)
    content = _content(archive, member) if kind is EntryKind.FILE else iter(())
    return PathEntry(_below(member.name), kind, member.size, content, _below(member.linkname))


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    file = archive.extractfile(member)
    assert file is not None  # it is a regular one
    while piece := file.read(PIECE_BYTES):
        yield piece


def _below(name: str) -> str:
    """A name in the archive without its first part, which is the last one of the path that was asked for."""
    return name.partition("/")[2]
