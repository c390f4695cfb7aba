"""What the store promises of output (jobrunner.domain.ports), on a MongoDB in memory and on a real one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobrunner.domain.identifiers import new_id
from jobrunner.domain.ports import Chunk, Fragment, Store, Stream
from jobrunner.errors import Superseded


def chunk(execution_id: str, sequence: int, *contents: bytes, writer: str = "w", cut: bool = False) -> Chunk:
    fragments = tuple(Fragment(stream, content) for stream, content in zip(Stream, contents, strict=False))
    return Chunk(execution_id, sequence, fragments, {Stream.STDOUT: sequence, Stream.STDERR: 2}, writer, cut)


def test_a_chunk_comes_back_as_it_was_bytes_and_all(store: Store) -> None:
    made = chunk(new_id(), 0, bytes(range(256)), b"", cut=True)
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
