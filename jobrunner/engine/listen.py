"""Listen to the farm's events: from now on, or from where one was; or read a page of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jobrunner.domain.farm_events import EventFilter, FarmEvent
from jobrunner.domain.ports.events import EventSource, EventStream
from jobrunner.engine.event_hub import EventHub, Subscription

LOOK_SECONDS = 1.0
CATCH_UP_SECONDS = 0.1


@dataclass(frozen=True)
class Place:
    """All that is wanted up to here was told: go on after this id."""

    id: str


@dataclass(frozen=True)
class Dropped:
    """Nothing more comes, for this reason; what was told last can be gone on after."""

    reason: str


@dataclass(frozen=True)
class EventPage:
    """Some events, and the id to go on after; `has_more`: there are more already."""

    events: tuple[FarmEvent, ...]
    after: str
    has_more: bool


def listen(
    hub: EventHub, source: EventSource, chosen: EventFilter, after: str | None = None
) -> Iterator[FarmEvent | Place | Dropped]:
    """The wanted events as they come, without end, unless it is Dropped; a Place at the begin, and after each look.

    Raises InvalidRequest, Gone, Busy, StoreUnavailable; nearly always at the first step.
    """
    subscription = hub.subscribe()
    try:
        missed = None if after is None else source.open(after, CATCH_UP_SECONDS)
        yield Place(after or subscription.start)
        if missed is not None:
            yield from filter(chosen.wants, _read(missed, subscription.start))
        yield from _live(subscription, chosen)
    finally:
        hub.unsubscribe(subscription)


def _read(stream: EventStream, until: str) -> Iterator[FarmEvent]:
    """The events of a stream up to a place; then the stream is ended."""
    try:
        while True:
            event = stream.next()
            if event is None and stream.position < until:
                continue
            if event is None or event.id > until:
                return
            yield event
    finally:
        stream.close()


def _live(subscription: Subscription, chosen: EventFilter) -> Iterator[FarmEvent | Place | Dropped]:
    while True:
        events, place = subscription.take(LOOK_SECONDS)
        yield from filter(chosen.wants, events)
        if place:
            yield Place(place)
        if subscription.ended:
            yield Dropped(subscription.ended)
            return


def page(source: EventSource, chosen: EventFilter, after: str | None, limit: int, most_read: int) -> EventPage:
    """The wanted events after an id, at most `limit`, of the next `most_read`. Without an id: none, but a place."""
    stream = source.open(after, CATCH_UP_SECONDS)
    found: list[FarmEvent] = []
    try:
        for _ in range(most_read):
            event = stream.next()
            if event is None:
                return EventPage(tuple(found), stream.position, has_more=False)
            if chosen.wants(event):
                found.append(event)
            if len(found) == limit:
                break
        return EventPage(tuple(found), stream.position, has_more=True)
    finally:
        stream.close()
