"""A position survives being written down, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunner.domain.identifiers import new_id
from jobrunner.domain.output_position import OutputPosition, parse_position
from jobrunner.domain.ports.output_store import Stream
from jobrunner.errors import InvalidRequest

ID = new_id()
numbers = st.integers(0, 10**12 - 1)
begun = st.dictionaries(st.sampled_from(Stream), st.binary(min_size=1, max_size=3))


@given(sequence=numbers, offset=numbers, begun=begun)
def test_a_position_is_read_as_it_was_written(sequence: int, offset: int, begun: dict[Stream, bytes]) -> None:
    position = OutputPosition(ID, sequence, offset, begun)
    assert parse_position("position", str(position)) == position


def test_the_end_is_read_as_it_was_written() -> None:
    end = OutputPosition(ID, 7, 1).end()
    assert parse_position("position", str(end)).is_end


@pytest.mark.parametrize(
    "word",
    [
        "",
        "x",
        ID,
        f"{ID}.",
        f"{ID}.1",
        f"{ID}.1.-1",
        f"{ID}.1.2.o",
        f"{ID}.1.2.oe28294a0",
        f"{ID}.1.2.x00",
        f"{ID}.end.1",
    ]
    + [f"{'-' * 36}.1.2", f"{ID}.1.2\n", f"{ID}.{'9' * 13}.1", f"{ID}.1.2.oE2"],
)
def test_what_is_no_position_is_refused_by_name(word: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_position("position", word)
    assert refused.value.faults[0].field == "position"
