"""Write a tar archive as a stream: what goes into a container, and what somebody downloads. Pure."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator

from jobrunner.domain.ports.file_stores import FileToPut

END = bytes(2 * tarfile.BLOCKSIZE)


def tar_stream(files: Iterable[FileToPut]) -> Iterator[bytes]:
    """The archive, in pieces, each file's bytes as they come. All belong to root, and are of the year 1970.

    Raises what reading the contents raises, ValueError where one is not as long as was said.
    """
    for file in files:
        yield _header(file)
        length = 0
        for piece in file.content or ():
            length += len(piece)
            yield piece
        if length != file.size_bytes:
            raise ValueError(f"{file.path} has {length} bytes, and not the {file.size_bytes} that it was said to have")
        yield bytes(-length % tarfile.BLOCKSIZE)
    yield END


def _header(file: FileToPut) -> bytes:
    member = tarfile.TarInfo(file.path.lstrip("/"))
    member.mode, member.size = file.mode, file.size_bytes
    member.type = tarfile.REGTYPE if file.content is not None else tarfile.DIRTYPE
    return member.tobuf(tarfile.PAX_FORMAT)
