"""Searching in output: the lines that have it, each once, however the output is in chunks and the answers in pages."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobrunner.domain.identifiers import new_id
from jobrunner.domain.ports.output_store import Chunk, Fragment, OutputStore, Stream
from jobrunner.engine import output_search
from jobrunner.engine.output_search import Findings, FoundLine, Place, Query, search
from tests.support.engine_world import World, mongomock_store

OUT, ERR = Stream.STDOUT, Stream.STDERR
BOTH = list(Stream)


def stored(store: OutputStore, contents: Sequence[bytes], stream: Stream = OUT, after: int = -1) -> str:
    execution_id = new_id()
    cursor = dict.fromkeys(Stream, 0)
    for number, content in enumerate(contents, after + 1):
        cursor[stream] += len(content)
        store.append(Chunk(execution_id, number, (Fragment(stream, content),), dict(cursor), "w"))
    return execution_id


def pages(store: OutputStore, execution_id: str, query: Query, most: int) -> list[Findings]:
    found = [search(store, execution_id, query, BOTH, None, most)]
    while not found[-1].is_at_end:
        found.append(search(store, execution_id, query, BOTH, found[-1].place, most))
    return found


def expected(content: bytes, needle: bytes) -> list[tuple[int, int]]:
    """Number and offset of each line that has it, by the book."""
    lines, offset = [], 0
    for number, line in enumerate(content.split(b"\n"), 1):
        if needle in line:
            lines.append((number, offset))
        offset += len(line) + 1
    return lines


PIECES = st.lists(st.sampled_from([b"\n", b"a", b"b", b"ab", b"abab\n", b"xxxxxxx"]), max_size=6).map(b"".join)


@given(
    contents=st.lists(PIECES.filter(bool), max_size=8),
    needle=st.sampled_from(["a", "ab", "bab", "xxxx"]),
    most=st.integers(1, 4),
    longest=st.sampled_from([17, 30, 1000]),
)
@settings(max_examples=150, deadline=None)
def test_every_line_with_a_match_is_found_once(contents: list[bytes], needle: str, most: int, longest: int) -> None:
    with mongomock_store() as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(output_search, "LONGEST_PART", longest)
        execution_id = stored(store.output, contents)
        found = [line for page in pages(store.output, execution_id, Query(needle), most) for line in page.lines]
    assert [(line.line, line.offset) for line in found] == expected(b"".join(contents), needle.encode())


def test_both_streams_are_searched_one_after_the_other(world: World) -> None:
    parts = (Fragment(OUT, b"one\nerror a\n"), Fragment(ERR, b"error b"))
    made = Chunk(new_id(), 0, parts, {OUT: 12, ERR: 7}, "w")
    world.store.output.append(made)
    found = search(world.store.output, made.execution_id, Query("error"), BOTH, None, 9)
    assert found.lines == [FoundLine(OUT, 2, 4, b"error a", True), FoundLine(ERR, 1, 0, b"error b", True)]
    assert found.is_at_end
    only = search(world.store.output, made.execution_id, Query("error"), [ERR], None, 9)
    assert [line.stream for line in only.lines] == [ERR]


@pytest.mark.parametrize(
    ("text", "ignores_case", "is_found"),
    [
        ("Straße", False, True),
        ("STRASSE", False, False),
        ("straße", True, True),
        ("STRAẞE", True, True),
        ("MÜLL", True, True),
        ("ERROR", True, True),
        ("ERROR", False, False),
    ],
)
def test_case_is_ignored_if_wanted_also_beyond_ascii(
    world: World, text: str, ignores_case: bool, is_found: bool
) -> None:
    execution_id = stored(world.store.output, ["Müll, Straße: Error\n".encode()])
    found = search(world.store.output, execution_id, Query(text, ignores_case), BOTH, None, 9)
    assert bool(found.lines) is is_found


def test_of_a_long_line_what_is_around_the_match_is_shown(world: World) -> None:
    execution_id = stored(world.store.output, [b"x" * 200_000, b"x" * 200_000, b"needle", b"y" * 200_000, b"\nneedle"])
    first, second = search(world.store.output, execution_id, Query("needle"), BOTH, None, 9).lines
    assert b"needle" in first.text and len(first.text) <= output_search.LONGEST_TEXT
    assert (first.line, first.offset, first.is_whole) == (1, 0, False)
    assert second == FoundLine(OUT, 2, 600_007, b"needle", True)


def test_a_search_ends_in_time_and_says_where_it_got_to(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_search, "MOST_SECONDS", 0)
    execution_id = stored(world.store.output, [b"no\n", b"yes\n", b"y"])
    found = pages(world.store.output, execution_id, Query("yes"), 9)
    assert [(len(page.lines), page.is_at_end, page.place) for page in found[:2]] == [
        (0, False, Place(OUT, 3, 2, 3)),
        (1, False, Place(OUT, 7, 3, 7)),
    ]
    assert found[-1].is_at_end


def test_what_is_written_later_is_found_from_where_a_search_ended(world: World) -> None:
    execution_id = stored(world.store.output, [b"one\nhalf a nee"])
    ended = search(world.store.output, execution_id, Query("needle"), [OUT], None, 9)
    assert (ended.lines, ended.is_at_end) == ([], True)
    world.store.output.append(Chunk(execution_id, 1, (Fragment(OUT, b"dle\n"),), {OUT: 18, ERR: 0}, "w"))
    more = search(world.store.output, execution_id, Query("needle"), [OUT], ended.place, 9)
    assert [(line.line, line.offset) for line in more.lines] == [(2, 4)]
