"""What a container runs: a string that is split into words as a shell does, or a list of words."""

from __future__ import annotations

import shlex
from typing import Annotated, Any

from pydantic import BeforeValidator

LONGEST_COMMAND_BYTES = 128 * 1024  # Linux: MAX_ARG_STRLEN, the longest single argument of execve(2)


def _command(value: Any) -> str | tuple[str, ...]:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise ValueError("must be a string, or a list of strings")
    if sum(len(word.encode()) + 1 for word in words) > LONGEST_COMMAND_BYTES:
        raise ValueError(f"must have at most {LONGEST_COMMAND_BYTES} bytes")
    try:
        split = shlex.split(value) if isinstance(value, str) else words
    except ValueError as error:
        raise ValueError(f"cannot be split into words ({error}); give it as a list of strings instead") from None
    if not split:
        raise ValueError("must not be empty; leave it out to run the image's own command")
    if any("\0" in word for word in words):
        raise ValueError("must not contain a NUL character")
    return value if isinstance(value, str) else tuple(words)


def _entrypoint(value: Any) -> str | tuple[str, ...]:
    return () if value in ([], ()) else _command(value)


def words_of(command: str | tuple[str, ...]) -> tuple[str, ...]:
    """A command, or what goes before it, as the list of words that the container gets."""
    return tuple(shlex.split(command)) if isinstance(command, str) else command


Command = Annotated[str | tuple[str, ...], BeforeValidator(_command)]
Entrypoint = Annotated[str | tuple[str, ...], BeforeValidator(_entrypoint)]  # an empty list: not even the image's own
