"""Text for a person at a terminal: messages, tables, ages. Nothing that others wrote can steer the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import click

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def visible(text: str) -> str:
    """`text` with everything that cannot be seen (escape sequences, new lines) written as Python writes it."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def shorten(text: str, length: int) -> str:
    """`text`, cut to `length` characters, the last of them an ellipsis where something is missing."""
    return text if len(text) <= length else text[: length - 1] + "…"


def complain(message: str) -> None:
    """One line to stderr, marked as ours among the output of a container."""
    click.echo(f"jobrunner: {visible(message)}", err=True)


def age(instant: datetime | None) -> str:
    """How long ago an instant was, in its largest unit (`5m ago`); a dash where there is none."""
    if instant is None:
        return "-"
    seconds = max(0, int((datetime.now(UTC) - instant).total_seconds()))
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1, "s"))
    return f"{seconds // size}{unit} ago"


def show_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a header and rows to stdout, each column as wide as its widest cell."""
    lines = [list(header), *([visible(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
