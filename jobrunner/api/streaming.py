"""Answer with text, in pieces, however long it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flask import Response, request

from jobrunner.api.openapi.operation import TEXT

# nginx would hold small pieces back.
STREAM_HEADERS = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}


def text_stream(pieces: Iterator[bytes], headers: Mapping[str, str]) -> Response:
    """An answer made of these pieces.

    The first piece is fetched now, so that a store that does not answer is an error, and no broken answer.
    """
    if request.method == "HEAD":
        pieces = iter(())
    first = next(pieces, b"")
    return Response(_all(first, pieces), content_type=TEXT.name, headers={**STREAM_HEADERS, **headers})


def _all(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first  # also if it is empty: WSGI servers send the headers then, and no chunk
    yield from pieces
