"""What a follower is told, as documents and as text. Pure.

{"stream": "stdout", "text": "...", "position": "..."}           some output
{"state": "running", "exitCode": null, "executionId": "...", "attempt": 1, "reason": ""}     it moved on
{"state": "done", "exitCode": 0, ..., "isOver": true, "nextExecutionId": null, "position": "..."}       the end
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from jobrunner.domain.executions import Execution
from jobrunner.domain.output_position import OutputPosition
from jobrunner.domain.ports.output_store import Stream
from jobrunner.engine.output_follower import Item, Over, StateChanged, Written

Document = dict[str, Any]
_new_decoder = codecs.getincrementaldecoder("utf-8")


class TextFrames:
    """Turns what is written into valid text: a character whose bytes come apart is given once it is whole.

    What is no UTF-8 becomes U+FFFD. A position also says which bytes of a character have come already, so that who goes
    on from there gets it whole.
    """

    def __init__(self, start: OutputPosition, streams: frozenset[Stream]) -> None:
        self._position = start
        self._decoders = {stream: _new_decoder("replace") for stream in Stream if stream in streams}
        for stream, decoder in self._decoders.items():
            decoder.decode(start.begun.get(stream, b""))

    def of(self, item: Item) -> Iterator[Document]:
        """The documents that tell of this."""
        match item:
            case Written(stream=stream, content=content, position=position) if stream in self._decoders:
                text = self._decoders[stream].decode(content)
                self._position = replace(position, begun=self._begun())
                yield from self._output(stream, text)
            case StateChanged(execution=execution):
                yield _state(execution)
            case Over(execution=execution, next_attempt_id=next_attempt_id):
                yield from self._last_words()
                end = str(self._position.end())
                yield _state(execution) | {"isOver": True, "nextExecutionId": next_attempt_id, "position": end}

    def _output(self, stream: Stream, text: str) -> Iterator[Document]:
        if text:
            yield {"stream": stream.name.lower(), "text": text, "position": str(self._position)}

    def _last_words(self) -> Iterator[Document]:
        """What was begun and will not be ended."""
        for stream, decoder in self._decoders.items():
            text = decoder.decode(b"", final=True)
            self._position = replace(self._position, begun=self._begun())
            yield from self._output(stream, text)

    def _begun(self) -> dict[Stream, bytes]:
        return {stream: decoder.getstate()[0] for stream, decoder in self._decoders.items()}


def _state(execution: Execution) -> Document:
    return {
        "state": execution.state.value,
        "exitCode": execution.exit_code,
        "executionId": execution.id,
        "attempt": execution.attempt,
        "reason": execution.reason,
    }
