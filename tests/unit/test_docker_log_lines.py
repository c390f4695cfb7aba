"""The newlines that the Engine's log driver `local` forgets, against a model of how the Engine writes and reads it."""

from __future__ import annotations

import struct
from itertools import count, zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunner.domain.ports.output_store import Fragment, Stream
from jobrunner.executors.docker.log_lines import FULL_ENTRY_BYTES, LogParser

LENGTHS = st.sampled_from([0, 1, 7, FULL_ENTRY_BYTES - 1, FULL_ENTRY_BYTES, FULL_ENTRY_BYTES + 1, 40_000])
LINES = st.lists(LENGTHS, max_size=5)


def entries(written: bytes, stamps: count[int]) -> list[bytes]:
    """What GET /logs?timestamps=1 gives for what a container wrote to one stream (Engine 20.10)."""
    made = []
    *lines, rest = written.split(b"\n")
    for number, line in enumerate([*lines, rest]):
        stamp = b"2026-01-02T03:04:05.%09dZ " % next(stamps)
        parts = 0
        while len(line) >= FULL_ENTRY_BYTES:
            made.append(stamp + line[:FULL_ENTRY_BYTES])
            line, parts = line[FULL_ENTRY_BYTES:], parts + 1
        has_newline = number < len(lines)
        if has_newline or line:
            made.append(stamp + line + (b"\n" if has_newline and not parts else b""))
    return made


def frames(stream: Stream, contents: list[bytes]) -> list[bytes]:
    return [struct.pack(">BxxxL", stream, len(content)) + content for content in contents]


def parsed(sent: bytes, piece_bytes: int) -> dict[Stream, bytes]:
    parser, got = LogParser(), dict.fromkeys(Stream, b"")
    for position in range(0, len(sent), piece_bytes):
        for fragment in parser.feed(sent[position : position + piece_bytes]):
            got[fragment.stream] += fragment.content
    parser.finish()
    return got


def text(lengths: list[int], end: bytes) -> bytes:
    return b"".join(b"x" * length + b"\n" for length in lengths) + end


@given(out=LINES, err=LINES, end=st.sampled_from([b"", b"end", b"end\n"]), piece_bytes=st.integers(1000, 70_000))
def test_every_byte_is_back(out: list[int], err: list[int], end: bytes, piece_bytes: int) -> None:
    written = {Stream.STDOUT: text(out, b"last\n" + end), Stream.STDERR: text(err, b"last\n" + end)}
    stamps = count()
    sides = [frames(stream, entries(content, stamps)) for stream, content in written.items()]
    sent = b"".join(frame for pair in zip_longest(*sides, fillvalue=b"") for frame in pair)
    assert parsed(sent, piece_bytes) == written


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_the_end_of_an_output_that_ends_in_a_long_line_is_not_invented(end: bytes) -> None:
    """The Engine gives the same for both, so the newline is missing where there was one: known, and the only loss."""
    sent = b"".join(frames(Stream.STDOUT, entries(b"x" * 20_000 + end, count())))
    assert parsed(sent, 5000)[Stream.STDOUT] == b"x" * 20_000


def test_an_entry_of_an_engine_that_forgets_nothing_gets_no_second_newline() -> None:
    stamp = b"2026-01-02T03:04:05.000000001Z "
    sent = [stamp + b"x" * FULL_ENTRY_BYTES, stamp + b"rest\n", stamp + b"next\n"]
    assert parsed(b"".join(frames(Stream.STDOUT, sent)), 5000)[Stream.STDOUT] == (
        b"x" * FULL_ENTRY_BYTES + b"rest\nnext\n"
    )


def test_neighbours_of_one_stream_come_as_one_fragment() -> None:
    sent = b"".join(frames(Stream.STDERR, entries(b"a\nb\n", count())))
    assert list(LogParser().feed(sent)) == [Fragment(Stream.STDERR, b"a\nb\n")]


def test_an_end_inside_an_entry_is_a_broken_connection() -> None:
    parser = LogParser()
    assert list(parser.feed(frames(Stream.STDOUT, entries(b"hello\n", count()))[0][:-1])) == []
    with pytest.raises(ConnectionError):
        parser.finish()


def test_a_length_that_no_entry_has_is_not_waited_for() -> None:
    with pytest.raises(ConnectionError, match="4294967295 bytes"):
        list(LogParser().feed(struct.pack(">BxxxL", 1, 2**32 - 1)))
