"""What the store promises of output (domain/ports/output_store.py), on a MongoDB in memory and on a real one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from mongoengine.connection import get_db

from jobrunner.domain.identifiers import new_id
from jobrunner.domain.ports.output_store import Chunk, Fragment, Stream
from jobrunner.domain.ports.store import Store
from jobrunner.errors import Superseded

NOW = datetime(2026, 5, 1, 12, 0, 0, 123_000, tzinfo=UTC)


def chunk(execution_id: str, sequence: int, *contents: bytes, writer: str = "w", cut: bool = False) -> Chunk:
    fragments = tuple(Fragment(stream, content) for stream, content in zip(Stream, contents, strict=False))
    return Chunk(execution_id, sequence, fragments, {Stream.STDOUT: sequence, Stream.STDERR: 2}, writer, cut)


def test_a_chunk_comes_back_as_it_was_bytes_and_all(store: Store) -> None:
    made = replace(chunk(new_id(), 0, bytes(range(256)), b"", cut=True), stored_at=NOW)
    store.output.append(made)
    assert list(store.output.chunks(made.execution_id)) == [made]


def test_chunks_come_in_order_after_any_one_and_as_many_as_asked_for(store: Store) -> None:
    execution_id, other = new_id(), new_id()
    for sequence in range(20, -1, -1):
        store.output.append(chunk(execution_id, sequence, b"%d" % sequence))
    store.output.append(chunk(other, 7, b"x"))
    assert [c.sequence for c in store.output.chunks(execution_id)] == list(range(21))
    assert [c.sequence for c in store.output.chunks(execution_id, after=17)] == [18, 19, 20]
    assert [c.sequence for c in store.output.chunks(execution_id, after=2, limit=2)] == [3, 4]
    assert list(store.output.chunks(new_id())) == []


def test_the_last_chunk_is_the_newest_without_its_bytes(store: Store) -> None:
    execution_id = new_id()
    for sequence in (0, 2, 1):
        store.output.append(chunk(execution_id, sequence, b"x"))
    assert store.output.last(execution_id) == chunk(execution_id, 2)


def test_the_same_writer_may_append_a_chunk_again_and_it_is_stored_once(store: Store) -> None:
    made = chunk(new_id(), 0, b"x")
    store.output.append(made)
    store.output.append(made)
    assert list(store.output.chunks(made.execution_id)) == [made]


def test_another_writer_of_the_same_sequence_number_is_told_that_it_was_superseded(store: Store) -> None:
    made = chunk(new_id(), 0, b"x")
    store.output.append(made)
    with pytest.raises(Superseded):
        store.output.append(replace(made, writer="other"))
    assert list(store.output.chunks(made.execution_id)) == [made]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (0, (b"", True)),
        (1, (b"f", True)),
        (2, (b"ef", True)),
        (3, (b"def", True)),
        (6, (b"abcdef", False)),
        (7, (b"abcdef", False)),
    ],
)
def test_the_tail_of_a_stream_crosses_chunks(store: Store, limit: int, expected: tuple[bytes, bool]) -> None:
    execution_id = new_id()
    for sequence, contents in enumerate([(b"ab", b"1"), (b"", b"22"), (b"cd", b""), (b"ef", b"3"), (b"", b"4")]):
        store.output.append(chunk(execution_id, sequence, *contents))
    assert store.output.tail(execution_id, Stream.STDOUT, limit) == expected


def test_the_tail_of_nothing_is_nothing(store: Store) -> None:
    assert store.output.tail(new_id(), Stream.STDERR, 10) == (b"", False)


def of_one_stream(execution_id: str, sequence: int, stream: Stream) -> Chunk:
    """A chunk with a byte of one stream, and nothing of the other."""
    return Chunk(execution_id, sequence, (Fragment(stream, b"x"),), dict.fromkeys(Stream, sequence), "w")


def test_a_chunk_is_found_by_its_number_without_its_bytes(store: Store) -> None:
    execution_id = new_id()
    store.output.append(chunk(execution_id, 0, b"x"))
    assert store.output.at(execution_id, 0) == chunk(execution_id, 0)
    assert store.output.at(execution_id, 1) is None
    assert store.output.at(new_id(), 0) is None


def test_the_chunks_of_one_stream_are_read_without_those_of_the_other(store: Store) -> None:
    execution_id = new_id()
    for sequence in range(30):
        stream = Stream.STDERR if sequence % 10 == 3 else Stream.STDOUT
        store.output.append(of_one_stream(execution_id, sequence, stream))
    read = store.output.chunks
    assert [c.sequence for c in read(execution_id, stream=Stream.STDERR)] == [3, 13, 23]
    assert [c.sequence for c in read(execution_id, after=3, limit=1, stream=Stream.STDERR)] == [13]
    assert [c.sequence for c in read(execution_id, after=21, stream=Stream.STDOUT)] == [22, 24, 25, 26, 27, 28, 29]


def test_the_chunks_of_a_stream_are_read_backwards_a_few_at_a_time(store: Store) -> None:
    execution_id = new_id()
    for sequence in range(30):
        stream = Stream.STDERR if sequence % 10 == 3 else Stream.STDOUT
        store.output.append(of_one_stream(execution_id, sequence, stream))
    read = store.output.chunks_before
    assert read(execution_id, None, 2, Stream.STDERR) == [
        of_one_stream(execution_id, n, Stream.STDERR) for n in (23, 13)
    ]
    assert [c.sequence for c in read(execution_id, 13, 2, Stream.STDERR)] == [3]
    assert [c.sequence for c in read(execution_id, 3, 2, Stream.STDERR)] == []
    assert [c.sequence for c in read(execution_id, 5, 3, Stream.STDOUT)] == [4, 2, 1]


def test_chunks_are_deleted_the_oldest_first_as_many_as_allowed(store: Store) -> None:
    execution_id, other = new_id(), new_id()
    for sequence in range(7):
        store.output.append(chunk(execution_id, sequence, b"x"))
        store.output.append(chunk(other, sequence, b"x"))
    left = []
    for expected in (3, 3, 1, 0):
        assert store.output.delete(execution_id, 3) == expected
        left.append([c.sequence for c in store.output.chunks(execution_id)])
    assert left == [[3, 4, 5, 6], [6], [], []]
    assert len(list(store.output.chunks(other))) == 7


def test_the_content_of_a_chunk_is_told_by_stream() -> None:
    parts = (Fragment(Stream.STDOUT, b"a"), Fragment(Stream.STDERR, b"b"), Fragment(Stream.STDOUT, b"c"))
    made = Chunk(new_id(), 0, parts, {Stream.STDOUT: 2, Stream.STDERR: 1}, "w")
    assert (made.content(Stream.STDOUT), made.content(Stream.STDERR)) == (b"ac", b"b")


@pytest.mark.services
def test_a_chunk_of_before_its_time_was_noted_is_read(mongodb: Store) -> None:
    made = chunk(new_id(), 0, b"x")
    mongodb.output.append(made)
    get_db()["log_chunks"].update_one({"_id": f"{made.execution_id}:0"}, {"$unset": {"stored_at": 1}})
    assert list(mongodb.output.chunks(made.execution_id)) == [made]


READINGS: dict[str, Callable[[Store, str], object]] = {
    "at": lambda store, execution_id: store.output.at(execution_id, 250),
    "last": lambda store, execution_id: store.output.last(execution_id),
    "chunks": lambda store, execution_id: list(store.output.chunks(execution_id, 200, 3)),
    "of a stream": lambda store, execution_id: list(store.output.chunks(execution_id, 3, 3, Stream.STDERR)),
    "backwards": lambda store, execution_id: store.output.chunks_before(execution_id, 490, 3, Stream.STDERR),
    "tail": lambda store, execution_id: store.output.tail(execution_id, Stream.STDERR, 2),
    "delete": lambda store, execution_id: store.output.delete(execution_id, 3),
}


@pytest.mark.services
@pytest.mark.parametrize("name", READINGS)
def test_no_reading_of_output_looks_at_more_than_it_returns(mongodb: Store, name: str) -> None:
    """One chunk in a hundred holds something of stderr: MongoDB's own profile says what was looked at."""
    execution_id = new_id()
    for sequence in range(500):
        stream = Stream.STDERR if sequence % 100 == 7 else Stream.STDOUT
        mongodb.output.append(of_one_stream(execution_id, sequence, stream))
    get_db().command("profile", 2)
    assert READINGS[name](mongodb, execution_id)
    get_db().command("profile", 0)
    looked_at = [
        (operation.get("planSummary"), operation["docsExamined"], operation["keysExamined"], operation["op"])
        for operation in get_db()["system.profile"].find({"docsExamined": {"$exists": True}})
    ]
    assert looked_at
    for plan, documents, keys, _ in looked_at:
        assert documents <= 5, looked_at  # a cursor looks one batch ahead
        assert keys <= 5, looked_at
        assert "COLLSCAN" not in plan and "SORT" not in plan, looked_at
