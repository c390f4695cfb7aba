"""Find lines in what is stored of an execution's output: in bounded time and memory, with a place to go on from.

A stream is gone through in blocks of whole lines. A line that is longer than LONGEST_PART is looked at in parts.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from jobrunner.domain.ports.output_store import OutputStore, Stream
from jobrunner.engine.stored_output import read

MOST_SECONDS = 2.0
LONGEST_PART = 256 * 1024
LONGEST_TEXT = 1000  # bytes of a line that are shown
CONTEXT = 200  # bytes of those before the match, where that is far from the line's beginning


@dataclass(frozen=True)
class Query:
    """What is looked for: text, as UTF-8. `ignores_case`: by Unicode's rules where it is not plain ASCII."""

    text: str
    ignores_case: bool = False

    def position(self, content: bytes) -> int:
        """Where it is in these bytes (about, where case is ignored beyond ASCII); -1: nowhere."""
        if not self.ignores_case:
            return content.find(self.text.encode())
        if self.text.isascii():
            return content.lower().find(self.text.lower().encode())
        return content.decode("utf-8", "replace").casefold().encode().find(self.text.casefold().encode())

    @property
    def overlap(self) -> int:
        """How many bytes of a part of a line are looked at again with the next one: a match may be in both."""
        return 4 * len(self.text)  # no character has more bytes


@dataclass(frozen=True)
class Place:
    """How far a search has got: to byte `offset` of a stream, in the line that begins at `line_offset`.

    `line` is that line's number, the first is 1. `is_found`: it is among what was found already.
    """

    stream: Stream
    offset: int = 0
    line: int = 1
    line_offset: int = 0
    is_found: bool = False


@dataclass(frozen=True)
class FoundLine:
    """A line that has what was looked for. `text` is all of it, without its newline, or what is around the match."""

    stream: Stream
    line: int
    offset: int
    text: bytes
    is_whole: bool


@dataclass
class Findings:
    """What a search has found. `place`: where to go on. `is_at_end`: nothing more is stored there now."""

    place: Place
    lines: list[FoundLine] = field(default_factory=list)
    is_at_end: bool = False


def search(
    store: OutputStore, execution_id: str, query: Query, streams: Sequence[Stream], after: Place | None, most: int
) -> Findings:
    """Look for lines in these streams, one after the other, from a place on: `most` lines, in MOST_SECONDS."""
    found = Findings(after or Place(streams[0]))
    until = time.monotonic() + MOST_SECONDS
    for stream in streams[streams.index(found.place.stream) :]:
        if stream is not found.place.stream:
            found.place = Place(stream)
        if not _search_stream(store, execution_id, query, found, most, until):
            return found
    found.is_at_end = True
    return found


def _search_stream(
    store: OutputStore, execution_id: str, query: Query, found: Findings, most: int, until: float
) -> bool:
    """Look on in the stream of the place; whether its end was reached."""
    for number, block in enumerate(_blocks(store, execution_id, found.place, query.overlap)):
        if number and time.monotonic() >= until:
            return False
        for part in (block,) if query.position(block) < 0 else io.BytesIO(block):
            _look(query, part, found)
            if len(found.lines) == most:
                return False
    return True


def _blocks(store: OutputStore, execution_id: str, place: Place, overlap: int) -> Iterator[bytes]:
    """The stream from a place on: whole lines, or a part of one, whose last `overlap` bytes begin the next block."""
    rest = b""
    for content in read(store, execution_id, place.stream, place.offset):
        rest += content
        end = rest.rfind(b"\n") + 1
        if end:
            yield rest[:end]
            rest = rest[end:]
        if len(rest) > LONGEST_PART:
            yield rest
            rest = rest[-overlap:]
    if rest:
        yield rest


def _look(query: Query, part: bytes, found: Findings) -> None:
    """Look at a line, a part of one, or many lines without a match; move the place behind it."""
    place = found.place
    position = -1 if place.is_found else query.position(part)
    if position >= 0:
        found.lines.append(_found_line(part.removesuffix(b"\n"), position, place))
    newlines = part.count(b"\n")
    if newlines:
        end = place.offset + len(part)
        found.place = Place(place.stream, end, place.line + newlines, line_offset=end)
    else:
        ahead = max(0, len(part) - query.overlap)
        found.place = replace(place, offset=place.offset + ahead, is_found=place.is_found or position >= 0)


def _found_line(part: bytes, position: int, place: Place) -> FoundLine:
    begin = max(0, position - CONTEXT) if position > LONGEST_TEXT - CONTEXT else 0
    text = part[begin : begin + LONGEST_TEXT]
    is_whole = text == part and place.offset == place.line_offset
    return FoundLine(place.stream, place.line, place.line_offset, text, is_whole)
