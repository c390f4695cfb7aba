"""Where a follower of an output has got to, as a word that it gives back to go on from there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from jobrunner.domain.identifiers import check_uuid
from jobrunner.domain.ports.output_store import Stream
from jobrunner.errors import Fault, InvalidRequest

_WORD = re.compile(
    r"(?P<id>[0-9a-f-]{36})\.(?:end|(?P<sequence>\d{1,12})\.(?P<offset>\d{1,12})(?P<begun>(?:\.[oe](?:[0-9a-f]{2}){1,3}){0,2}))"
)
_LETTERS = {"o": Stream.STDOUT, "e": Stream.STDERR}


@dataclass(frozen=True)
class OutputPosition:
    """After this many bytes (of both streams) of the chunk of this number, of this execution.

    `begun` has, per stream, the bytes of a character whose rest has not come yet: who gets text has not got them.
    `is_end`: the execution is over, and all of its output was received.
    """

    execution_id: str
    sequence: int = 0
    offset: int = 0
    begun: Mapping[Stream, bytes] = field(default_factory=dict)
    is_end: bool = False

    def __str__(self) -> str:
        if self.is_end:
            return f"{self.execution_id}.end"
        begun = (
            f".{letter}{self.begun[stream].hex()}" for letter, stream in _LETTERS.items() if self.begun.get(stream)
        )
        return f"{self.execution_id}.{self.sequence}.{self.offset}{''.join(begun)}"

    def end(self) -> OutputPosition:
        """The end of the same execution."""
        return replace(self, is_end=True)


def parse_position(field_name: str, word: str) -> OutputPosition:
    """The position that was written as this word. Raises InvalidRequest."""
    match = _WORD.fullmatch(word)
    if match is None:
        raise InvalidRequest(Fault(field_name, "must be a position as a follower is given it"))
    execution_id = check_uuid(field_name, match["id"])
    if match["sequence"] is None:
        return OutputPosition(execution_id, is_end=True)
    parts = match["begun"].split(".")[1:]
    begun = {_LETTERS[part[0]]: bytes.fromhex(part[1:]) for part in parts}
    return OutputPosition(execution_id, int(match["sequence"]), int(match["offset"]), begun)
