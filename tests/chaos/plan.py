"""The plan of a run: which fault, when, on what, for how long. The same seed gives the same plan."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

FIRST_SECONDS = 0.5
SHORTEST_GAP_SECONDS, LONGEST_GAP_SECONDS = 0.2, 4.0
LONGEST_RESTART_SECONDS = 3.0


@dataclass(frozen=True)
class Planned:
    """One fault. `draw`, from 0 to 1, chooses its target and the like among what is there at that instant."""

    at_seconds: float
    kind: str
    seconds: float
    draw: float


@dataclass(frozen=True)
class Pattern:
    """How long a fault of a kind lasts, in seconds, and how often it comes in a round of all of them."""

    kind: str
    shortest: float = 0.0
    longest: float = LONGEST_RESTART_SECONDS
    times: int = 1


def shortened(patterns: Sequence[Pattern], longest: float) -> list[Pattern]:
    """Those that can be over within `longest` seconds, and never last longer."""
    return [replace(p, longest=min(p.longest, longest)) for p in patterns if p.shortest <= longest]


def make_plan(seed: int, seconds: float, patterns: Sequence[Pattern]) -> list[Planned]:
    """Faults for so many seconds. Every kind comes once before any comes again: they are dealt like cards."""
    drawn = random.Random(seed)
    planned: list[Planned] = []
    deck: list[Pattern] = []
    at = FIRST_SECONDS
    while at < seconds:
        if not deck:
            deck = [pattern for pattern in patterns for _ in range(pattern.times)]
            drawn.shuffle(deck)
        pattern = deck.pop()
        lasts = round(drawn.uniform(pattern.shortest, pattern.longest), 1)
        planned.append(Planned(round(at, 1), pattern.kind, lasts, round(drawn.random(), 3)))
        at += drawn.uniform(SHORTEST_GAP_SECONDS, LONGEST_GAP_SECONDS)
    return planned
