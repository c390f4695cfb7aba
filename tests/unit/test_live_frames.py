"""What is written becomes valid text, whatever pieces it comes in, and wherever a follower goes on."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from jobrunner.api.live.events import event
from jobrunner.api.live.frames import Document, TextFrames
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.output_position import OutputPosition, parse_position
from jobrunner.domain.ports.output_store import Stream
from jobrunner.engine.output_follower import Written

ID = new_id()
writes = st.lists(st.tuples(st.sampled_from(Stream), st.binary(min_size=1, max_size=5)), min_size=1, max_size=20)
texts = st.lists(st.tuples(st.sampled_from(Stream), st.text(min_size=1, max_size=4)), min_size=1, max_size=6)


def shown(frames: TextFrames, written: list[tuple[Stream, bytes]], first: int = 0) -> list[Document]:
    """The documents for these writes, each of which is a chunk."""
    items = [
        Written(stream, content, OutputPosition(ID, number, len(content)))
        for number, (stream, content) in enumerate(written)
    ]
    found = [document for item in items[first:] for document in frames.of(item)]
    return found + list(frames._last_words())


def text(documents: list[Document], stream: Stream) -> str:
    return "".join(document["text"] for document in documents if document["stream"] == stream.name.lower())


@given(writes)
def test_each_stream_becomes_the_text_that_it_would_be_in_one_piece(written: list[tuple[Stream, bytes]]) -> None:
    documents = shown(TextFrames(OutputPosition(ID), frozenset(Stream)), written)
    for stream in Stream:
        whole = b"".join(content for of, content in written if of is stream)
        assert text(documents, stream) == whole.decode("utf-8", "replace")
        assert all(document["text"].encode() for document in documents)


@given(texts, st.data())
def test_who_goes_on_from_any_position_gets_the_rest(
    text_written: list[tuple[Stream, str]], data: st.DataObject
) -> None:
    written = [(stream, bytes([byte])) for stream, text in text_written for byte in text.encode()]
    documents = shown(TextFrames(OutputPosition(ID), frozenset(Stream)), written)
    number = data.draw(st.integers(0, len(documents) - 1))
    position = parse_position("position", documents[number]["position"])
    rest = shown(TextFrames(position, frozenset(Stream)), written, first=position.sequence + 1)
    for stream in Stream:
        assert text(documents[: number + 1] + rest, stream) == text(documents, stream)


@given(st.text())
def test_an_event_is_three_lines_whatever_is_in_it(content: str) -> None:
    lines = event("output", {"text": content, "position": "p"}).decode().split("\n")
    assert (lines[0], lines[1], lines[3:]) == ("id: p", "event: output", ["", ""])
    assert json.loads(lines[2].removeprefix("data: "))["text"] == content
