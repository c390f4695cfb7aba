"""Answer with a stored file, as a stream: all of it, or one range of bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flask import Response, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from jobrunner.errors import ContentGone, NotFound

Read = Callable[[int, int], Iterator[bytes]]


def download(read: Read, size_bytes: int, sha256: str, file_name: str) -> Response:
    """The file in the answer. `read(offset, length)` gives its bytes. Raises NotFound, RequestedRangeNotSatisfiable."""
    offset, end = _wanted(size_bytes, sha256)
    is_part = (offset, end) != (0, size_bytes)
    pieces = iter(()) if request.method == "HEAD" else begun(read(offset, end - offset))
    response = Response(pieces, status=206 if is_part else 200, content_type="application/octet-stream")
    response.content_length = end - offset
    response.set_etag(sha256)
    response.accept_ranges = "bytes"
    if is_part:
        response.headers["Content-Range"] = f"bytes {offset}-{end - 1}/{size_bytes}"
    return as_attachment(response, file_name)


def as_attachment(response: Response, file_name: str) -> Response:
    """Have a browser save it and not show it: strangers wrote it."""
    response.headers.set("Content-Disposition", "attachment", filename=file_name)
    response.headers["X-Accel-Buffering"] = "no"
    return response


def begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces, the first of which is fetched now: what is not there is an error, and no broken answer."""
    try:
        first = next(pieces, b"")
    except ContentGone:
        raise NotFound("file", "any more") from None
    return _chained(first, pieces)


def _chained(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces


def _wanted(size_bytes: int, sha256: str) -> tuple[int, int]:
    """From which byte to which. More than one range, or a range of another version, is answered by all of it."""
    wanted = request.range
    if_range = request.if_range
    if wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1:
        return 0, size_bytes
    if (if_range.etag or if_range.date) and if_range.etag != sha256:
        return 0, size_bytes
    found = wanted.range_for_length(size_bytes)
    if found is None:
        raise RequestedRangeNotSatisfiable(size_bytes, description=f"there are only {size_bytes} bytes")
    return found
