"""Taking the Engine's multiplexed stream apart."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunner.domain.ports.output_store import Fragment, Stream
from jobrunner.executors.docker.frames import FrameParser
from jobrunner.executors.docker.output import EngineReader

FRAMES = st.lists(st.tuples(st.sampled_from(Stream), st.binary(max_size=40)), max_size=20)


def frame(stream: int, content: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(content)) + content


@given(frames=FRAMES, cuts=st.lists(st.integers(min_value=1, max_value=30), min_size=1))
def test_no_cut_loses_or_moves_a_byte(frames: list[tuple[Stream, bytes]], cuts: list[int]) -> None:
    sent = b"".join(frame(stream, content) for stream, content in frames)
    parser, got, position = FrameParser(), [], 0
    while position < len(sent):
        size = cuts[len(got) % len(cuts)]
        got += [list(parser.feed(sent[position : position + size]))]
        position += size
    parser.finish()
    bytes_in_order = [(stream, byte) for stream, content in frames for byte in content]
    assert [(f.stream, byte) for piece in got for f in piece for byte in f.content] == bytes_in_order


def test_neighbours_of_one_stream_come_as_one_fragment() -> None:
    sent = frame(1, b"a\n") + frame(1, b"b\n") + frame(2, b"c\n") + frame(1, b"d\n")
    assert list(FrameParser().feed(sent)) == [
        Fragment(Stream.STDOUT, b"a\nb\n"),
        Fragment(Stream.STDERR, b"c\n"),
        Fragment(Stream.STDOUT, b"d\n"),
    ]


def test_content_goes_on_before_its_frame_is_whole() -> None:
    parser = FrameParser()
    assert list(parser.feed(frame(1, b"hello")[:-2])) == [Fragment(Stream.STDOUT, b"hel")]
    assert list(parser.feed(b"lo")) == [Fragment(Stream.STDOUT, b"lo")]


@pytest.mark.parametrize("sent", [frame(1, b"hello")[:-1], frame(1, b"")[:3]])
def test_an_end_inside_a_frame_is_a_broken_connection(sent: bytes) -> None:
    parser = FrameParser()
    list(parser.feed(sent))
    with pytest.raises(ConnectionError):
        parser.finish()


@pytest.mark.parametrize(("stream", "words"), [(3, "cannot read its log: no space"), (7, "stream 7")])
def test_what_is_no_output_is_not_taken_for_output(stream: int, words: str) -> None:
    with pytest.raises(ConnectionError, match=words):
        list(FrameParser().feed(frame(stream, b"no space")))


class _Response:
    def close(self) -> None:
        """Nothing to give back."""


@pytest.fixture
def ends() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair()


def reader_of(connection: socket.socket) -> EngineReader:
    received = iter(lambda: connection.recv(100), b"")
    return EngineReader(_Response(), connection, received, FrameParser())  # type: ignore[arg-type]


def test_a_connection_that_breaks_inside_a_frame_is_told_to_the_reader(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    engine, ours = ends
    engine.sendall(frame(1, b"whole") + frame(1, b"half")[:-2])
    engine.close()
    fragments = iter(reader_of(ours))
    assert next(fragments).content == b"wholeha"
    with pytest.raises(ConnectionError):
        next(fragments)
    ours.close()


def test_what_arrived_before_an_interrupt_and_was_not_read_is_left_for_a_replay(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    engine, ours = ends
    engine.sendall(frame(1, b"late"))
    reader = reader_of(ours)
    reader.interrupt()
    assert list(reader) == []
    engine.close()
    ours.close()
