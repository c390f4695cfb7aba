"""Storing output: every byte once, in order, with bounded memory."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobrunner.domain.events import OutputCut, OutputEndLost
from jobrunner.domain.ports.output_store import Fragment, Stream
from jobrunner.engine import capture as capture_module
from jobrunner.engine.capture import Capture, GaveUp
from jobrunner.errors import StoreUnavailable, Superseded
from tests.support.engine_world import MovedClock, err, out
from tests.support.list_output import ListOutput, Reader

EXECUTION = "5a023792-1445-44e9-8a8b-cfe5ad05d1c6"
NO_CAP = 10**9


def capture(store: ListOutput, cap_bytes: int = NO_CAP, events: list[object] | None = None) -> Capture:
    announce = (events if events is not None else []).append
    return Capture(store, EXECUTION, cap_bytes, announce, give_up=lambda seconds: False, clock=MovedClock())


def copied(store: ListOutput, fragments: Iterable[Fragment], *, replayed: bool = False, cap: int = NO_CAP) -> Capture:
    made = capture(store, cap)
    made.copy(Reader(fragments), from_first_byte=replayed)
    return made


def cut_up(content: bytes, sizes: Iterable[int], stream: Stream) -> list[Fragment]:
    """The same bytes in fragments of other sizes."""
    fragments = []
    for size in sizes:
        if content:
            fragments.append(Fragment(stream, content[:size]))
            content = content[size:]
    return [*fragments, Fragment(stream, content)] if content else fragments


# ------------------------------------------------------------------------------------------------ order, chunks


def test_streams_are_apart_and_in_order() -> None:
    store = ListOutput()
    copied(store, [out(b"1"), out(b"2"), err(b"3"), out(b"4")]).flush()
    (chunk,) = store.stored
    assert chunk.fragments == (out(b"12"), err(b"3"), out(b"4"))
    assert chunk.cursor == {Stream.STDOUT: 3, Stream.STDERR: 1}
    assert not chunk.cut


def test_nothing_is_stored_of_nothing() -> None:
    store = ListOutput()
    made = copied(store, [])
    made.flush()
    made.flush()
    assert store.stored == []


def test_a_flush_stores_what_came_since_the_last_one() -> None:
    store = ListOutput()
    made = capture(store)
    for content in (b"a", b"b"):
        made.copy(Reader([out(content)]), from_first_byte=False)
        made.flush()
    assert [(c.sequence, c.fragments) for c in store.stored] == [(0, (out(b"a"),)), (1, (out(b"b"),))]


def test_a_chunk_is_stored_when_it_is_full_and_no_chunk_is_much_larger() -> None:
    store = ListOutput()
    copied(store, [out(b"x" * 65536)] * 64)
    assert sum(len(f.content) for c in store.stored for f in c.fragments) == 64 * 65536
    for chunk in store.stored:
        assert sum(len(f.content) for f in chunk.fragments) < capture_module.CHUNK_BYTES + 65536


# ---------------------------------------------------------------------------------------------- resume by cursor


@given(
    st.binary(max_size=60),
    st.binary(max_size=60),
    st.integers(0, 60),
    st.integers(0, 60),
    st.lists(st.integers(1, 9), max_size=30),
)
def test_a_replay_goes_on_at_the_byte_where_it_was_broken_off(
    stdout: bytes, stderr: bytes, seen_out: int, seen_err: int, sizes: list[int]
) -> None:
    store = ListOutput()
    copied(store, [out(stdout[:seen_out]), err(stderr[:seen_err])]).flush()
    whole = [*cut_up(stdout, sizes, Stream.STDOUT), *cut_up(stderr, reversed(sizes), Stream.STDERR)]
    copied(store, whole, replayed=True).flush()
    assert (store.bytes_of(Stream.STDOUT), store.bytes_of(Stream.STDERR)) == (stdout, stderr)


def test_what_was_taken_in_but_not_stored_yet_is_not_taken_in_again() -> None:
    store = ListOutput()
    made = copied(store, [out(b"abc")])
    made.copy(Reader([out(b"abcdef")]), from_first_byte=True)
    made.flush()
    assert store.bytes_of(Stream.STDOUT) == b"abcdef"


def test_another_run_goes_on_with_the_next_sequence_number() -> None:
    store = ListOutput()
    copied(store, [out(b"a")]).flush()
    copied(store, [out(b"ab")], replayed=True).flush()
    assert [chunk.sequence for chunk in store.stored] == [0, 1]


def test_a_run_that_was_overtaken_stores_nothing_more() -> None:
    store = ListOutput()
    old = copied(store, [out(b"a")])
    copied(store, [out(b"ab")], replayed=True).flush()
    with pytest.raises(Superseded):
        old.flush()
    with pytest.raises(Superseded):
        old.flush_patiently()
    assert store.bytes_of(Stream.STDOUT) == b"ab"


# ------------------------------------------------------------------------------------------------------ outages


@pytest.mark.parametrize("trouble", ["refuses", "forgets_to_answer"])
def test_a_flush_that_fails_loses_and_doubles_nothing(trouble: str) -> None:
    store = ListOutput()
    made = copied(store, [out(b"a")])
    setattr(store, trouble, 1)
    with pytest.raises(StoreUnavailable):
        made.flush()
    made.copy(Reader([out(b"b")]), from_first_byte=False)
    made.flush()
    assert store.bytes_of(Stream.STDOUT) == b"ab"
    assert [chunk.sequence for chunk in store.stored] == [0, 1]


@given(st.lists(st.sampled_from(["write", "flush", "refuse", "lose answer", "restart"]), max_size=40))
@settings(max_examples=200)
def test_whatever_goes_wrong_in_whatever_order_the_bytes_are_stored_once(steps: list[str]) -> None:
    store = ListOutput()
    written = b""
    made = capture(store)
    for number, step in enumerate(steps):
        if step == "write":
            piece = b"<%d>" % number
            written += piece
            made.copy(Reader([out(piece)]), from_first_byte=False)
        elif step == "restart":
            made = capture(store)
            made.copy(Reader([out(written)]), from_first_byte=True)
        else:
            store.refuses, store.forgets_to_answer = int(step == "refuse"), int(step == "lose answer")
            try:
                made.flush()
            except StoreUnavailable:
                pass
    store.refuses = store.forgets_to_answer = 0
    made.flush()
    assert store.bytes_of(Stream.STDOUT) == written


def test_while_the_store_is_away_no_more_is_taken_in_than_a_chunk_and_what_came_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(capture_module, "CHUNK_BYTES", 100)
    store = ListOutput(refuses=10**9)
    back = threading.Event()
    read = 0

    def endless() -> Iterator[Fragment]:
        nonlocal read
        for _ in range(1000):
            read += 10
            yield out(b"x" * 10)

    made = Capture(
        store, EXECUTION, NO_CAP, lambda event: None, give_up=lambda seconds: back.wait(0.01), clock=MovedClock()
    )

    def copy() -> None:
        with pytest.raises(GaveUp):
            made.copy(Reader(endless()), from_first_byte=False)

    copying = threading.Thread(target=copy)
    copying.start()
    copying.join(0.2)
    assert copying.is_alive()
    assert read == 100
    back.set()
    copying.join(5)
    assert not copying.is_alive()


def test_a_copy_goes_on_by_itself_when_the_store_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_module, "CHUNK_BYTES", 4)
    store = ListOutput(refuses=3, forgets_to_answer=2)
    copied(store, [out(b"%03d" % n) for n in range(100)]).flush()
    assert store.bytes_of(Stream.STDOUT) == b"".join(b"%03d" % n for n in range(100))


def test_flushes_from_another_thread_do_not_disturb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_module, "CHUNK_BYTES", 64)
    store = ListOutput()
    made = capture(store)
    over = threading.Event()

    def flush_on() -> None:
        while not over.is_set():
            made.flush()

    flushing = threading.Thread(target=flush_on)
    flushing.start()
    try:
        made.copy(Reader(out(b"%06d\n" % n) for n in range(20_000)), from_first_byte=False)
    finally:
        over.set()
        flushing.join()
    made.flush()
    assert store.bytes_of(Stream.STDOUT) == b"".join(b"%06d\n" % n for n in range(20_000))
    assert [chunk.sequence for chunk in store.stored] == list(range(len(store.stored)))


# ----------------------------------------------------------------------------------------------------- the cap


def test_what_is_above_the_cap_is_not_stored_and_both_streams_say_so() -> None:
    store, events = ListOutput(), []
    made = capture(store, cap_bytes=10, events=events)
    made.copy(Reader([out(b"12345"), err(b"67"), out(b"89abcdef"), err(b"nothing of this")]), from_first_byte=False)
    made.flush()
    marker = b"\n[jobrunner: output cut here, at the cap of 10 bytes]\n"
    assert store.bytes_of(Stream.STDOUT) == b"1234589a" + marker
    assert store.bytes_of(Stream.STDERR) == b"67" + marker
    assert store.stored[-1].cut
    assert events == [OutputCut(EXECUTION, 10)]


def test_a_lost_end_is_marked_once_also_after_a_restart_and_never_after_the_cap() -> None:
    store, events = ListOutput(), []
    for _ in range(2):
        made = capture(store, cap_bytes=10, events=events)
        made.mark_lost_end()
        made.flush()
    marker = b"\n[jobrunner: the Docker Engine was away at the end of this; what was written last may be missing]\n"
    assert store.bytes_of(Stream.STDERR) == marker
    assert events == [OutputEndLost(EXECUTION)]
    cut = ListOutput()
    made = copied(cut, [out(b"12345678901")], cap=10)
    made.mark_lost_end()
    made.flush()
    assert marker not in cut.bytes_of(Stream.STDOUT)


def test_output_of_just_the_cap_is_whole() -> None:
    store = ListOutput()
    made = copied(store, [out(b"1234567890")], cap=10)
    made.flush()
    assert not made.cut
    assert store.bytes_of(Stream.STDOUT) == b"1234567890"


@pytest.mark.parametrize("stored_bytes", [0, 5, 10])
def test_the_marker_is_there_once_after_a_restart(stored_bytes: int) -> None:
    store = ListOutput()
    copied(store, [out(b"1234567890"[:stored_bytes])], cap=10).flush()
    copied(store, [out(b"1234567890xyz")], replayed=True, cap=10).flush()
    copied(store, [out(b"1234567890xyz")], replayed=True, cap=10).flush()
    assert store.bytes_of(Stream.STDOUT) == b"1234567890\n[jobrunner: output cut here, at the cap of 10 bytes]\n"


def test_a_chunk_says_when_its_bytes_were_captured() -> None:
    store, clock = ListOutput(), MovedClock()
    made = Capture(store, EXECUTION, NO_CAP, lambda event: None, give_up=lambda seconds: False, clock=clock)
    for content in (b"one", b"two"):
        clock.move(5)
        made.copy(Reader([out(content)]), from_first_byte=False)
        made.flush()
    assert [chunk.stored_at for chunk in store.stored][1] == clock.now()
    assert store.stored[0].stored_at == clock.now() - timedelta(seconds=5)
