"""Reading what is stored: from any byte, line or instant on, however it is in chunks, and nothing of what is before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobrunner.domain.executions import Execution
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.ports.output_store import Chunk, Fragment, OutputStore, Stream
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.engine.forget import forget_output
from jobrunner.engine.run import run_execution
from jobrunner.engine.stored_output import (
    Start,
    notice_of_deletion,
    offset_of,
    offset_of_last_lines,
    offset_since,
    read,
    read_kept,
)
from tests.support.engine_world import World, mongomock_store

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
OUT, ERR = Stream.STDOUT, Stream.STDERR
Contents = Sequence[tuple[bytes, bytes]]


def stored(store: OutputStore, contents: Contents, *, cut: bool = False, timed: bool = True) -> Execution:
    """An execution that wrote these bytes to stdout and stderr, a chunk a second; in the last one a marker, if cut."""
    execution = Execution(new_id(), new_id(), "t", JobSpec(image="a"), State.DONE, NOW, started_at=NOW)
    cursor = dict.fromkeys(Stream, 0)
    for number, written in enumerate(contents):
        is_cut = cut and number == len(contents) - 1
        parts = [Fragment(stream, content) for stream, content in zip(Stream, written, strict=True) if content]
        parts += [Fragment(stream, b"\n[cut]\n") for stream in Stream if is_cut]
        cursor = {stream: cursor[stream] + len(content) for stream, content in zip(Stream, written, strict=True)}
        stored_at = NOW + timedelta(seconds=number + 1) if timed else None
        store.append(Chunk(execution.id, number, tuple(parts), cursor, "w", is_cut, stored_at))
    return execution


def whole(contents: Contents, stream: Stream, *, cut: bool = False) -> bytes:
    return b"".join(written[stream - 1] for written in contents) + (b"\n[cut]\n" if cut else b"")


BYTES = st.lists(st.sampled_from([b"\n", b"a", b"bc"]), max_size=4).map(b"".join)
CONTENTS = st.lists(st.tuples(BYTES, BYTES), max_size=9)


@given(contents=CONTENTS, cut=st.booleans(), offset=st.integers(0, 40), stream=st.sampled_from(Stream))
@settings(max_examples=80, deadline=None)
def test_a_stream_is_read_from_any_byte_on(contents: Contents, cut: bool, offset: int, stream: Stream) -> None:
    cut = cut and bool(contents)
    with mongomock_store() as store:
        execution = stored(store.output, contents, cut=cut)
        assert b"".join(read(store.output, execution.id, stream, offset)) == whole(contents, stream, cut=cut)[offset:]


@given(contents=CONTENTS, cut=st.booleans(), lines=st.integers(0, 12), stream=st.sampled_from(Stream))
@settings(max_examples=80, deadline=None)
def test_the_last_lines_are_those_that_tail_shows(contents: Contents, cut: bool, lines: int, stream: Stream) -> None:
    cut = cut and bool(contents)
    expected = b"".join(whole(contents, stream, cut=cut).splitlines(keepends=True)[-lines:]) if lines else b""
    with mongomock_store() as store:
        execution = stored(store.output, contents, cut=cut)
        begin = offset_of_last_lines(store.output, execution.id, stream, lines)
        assert b"".join(read(store.output, execution.id, stream, begin)) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-99, b"abc"), (0, b"abc"), (1, b"abc"), (1.5, b"bc"), (2, b"bc"), (3, b"c"), (3.001, b""), (1e6, b"")],
)
def test_what_was_written_since_an_instant_begins_with_a_chunk(world: World, seconds: float, expected: bytes) -> None:
    execution = stored(world.store.output, [(b"a", b""), (b"b", b"x"), (b"c", b"")])
    begin = offset_since(world.store.output, execution, OUT, NOW + timedelta(seconds=seconds))
    assert b"".join(read(world.store.output, execution.id, OUT, begin)) == expected


def test_chunks_that_do_not_say_when_they_were_stored_are_older_than_any_that_do(world: World) -> None:
    execution = stored(world.store.output, [(b"a", b""), (b"b", b"")], timed=False)
    last = world.store.output.last(execution.id)
    assert last is not None
    late = replace(last, sequence=2, fragments=(Fragment(OUT, b"c"),), cursor={OUT: 3, ERR: 0}, stored_at=NOW)
    world.store.output.append(late)
    for seconds, offset in ((0, 0), (1, 3)):
        assert offset_since(world.store.output, execution, OUT, NOW + timedelta(seconds=seconds)) == offset
    early = replace(execution, started_at=NOW - timedelta(hours=1))
    assert offset_since(world.store.output, early, OUT, NOW - timedelta(seconds=1)) == 2


def test_of_several_starts_the_latest_holds(world: World) -> None:
    execution = stored(world.store.output, [(b"a\n", b""), (b"b\n", b""), (b"c\n", b"")])
    since = NOW + timedelta(seconds=2)
    starts = {Start(): 0, Start(last_lines=1, since=since): 4, Start(last_lines=3, since=since): 2, Start(offset=3): 3}
    for start, offset in starts.items():
        assert offset_of(world.store.output, execution, OUT, start) == offset


def test_an_execution_without_output_has_no_lines_and_nothing_since(world: World) -> None:
    execution = stored(world.store.output, [])
    for start in (Start(), Start(last_lines=3), Start(last_lines=0), Start(since=NOW + timedelta(seconds=1))):
        assert offset_of(world.store.output, execution, ERR, start) == 0
    assert list(read(world.store.output, execution.id, ERR, 5)) == []


def test_only_a_few_chunks_are_looked_at_to_find_a_byte_in_a_long_output(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = stored(world.store.output, [(b"%04d" % number, b"") for number in range(1000)])
    looks: list[int] = []
    at = type(world.store.output).at
    monkeypatch.setattr(type(world.store.output), "at", lambda self, *where: looks.append(where[1]) or at(self, *where))
    pieces = read(world.store.output, execution.id, OUT, 3001)
    assert next(pieces) == b"750"
    assert len(looks) <= 12


@pytest.mark.parametrize("read_before", [[], [b"one\nthree\n"]])
def test_who_reads_while_the_output_is_deleted_is_told_so(world: World, read_before: list[bytes]) -> None:
    execution = world.submit()
    run_execution(world.node(), execution.id)
    ended = world.get(execution)
    reading = read_kept(world.store, ended, OUT)
    assert [next(reading) for _ in read_before] == read_before
    pruned = forget_output(world.farm(), ended)
    assert list(reading) == [notice_of_deletion(pruned)]
