"""Several files as one archive, written as a stream."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping

from jobrunner.domain.ports.file_stores import FileToPut
from jobrunner.domain.tar_stream import tar_stream

_GZIP_WINDOW = 16 + zlib.MAX_WBITS  # zlib: with the header and trailer of gzip
_FAST = 1


def tar_gz_stream(files: Iterable[FileToPut]) -> Iterator[bytes]:
    """A tar archive, compressed."""
    compressor = zlib.compressobj(_FAST, zlib.DEFLATED, _GZIP_WINDOW)
    for piece in tar_stream(files):
        yield compressor.compress(piece)
    yield compressor.flush()


def zip_stream(files: Iterable[FileToPut]) -> Iterator[bytes]:
    """A zip archive."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=_FAST) as archive:
        for file in files:
            member = zipfile.ZipInfo(file.path)
            member.external_attr, member.compress_type = file.mode << 16, zipfile.ZIP_DEFLATED
            with archive.open(member, "w", force_zip64=True) as entry:
                for piece in file.content or ():
                    entry.write(piece)
                    yield sink.take()
    yield sink.take()


class _Sink(io.RawIOBase):
    """Keeps what was written until it is taken. It cannot seek, so zipfile writes sizes after the files."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]
        self._written += content
        return len(content)

    def take(self) -> bytes:
        """What was written since the last time."""
        taken, self._written = bytes(self._written), bytearray()
        return taken


ARCHIVES: Mapping[str, Callable[[Iterable[FileToPut]], Iterator[bytes]]] = {
    "tar": tar_stream,
    "tar.gz": tar_gz_stream,
    "zip": zip_stream,
}
