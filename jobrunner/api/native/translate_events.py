"""From the farm's events to the documents of the native API, and to Server-Sent Events. Pure."""

from __future__ import annotations

import json

from jobrunner.api.native.times import iso
from jobrunner.api.native.translate import Document
from jobrunner.api.native.urls import Urls, with_query
from jobrunner.domain.farm_events import FarmEvent, Subject
from jobrunner.engine.listen import Dropped, EventPage, Place

RECONNECT_MILLISECONDS = 2000


def event_page(page: EventPage, urls: Urls, chosen_by: dict[str, str]) -> Document:
    """Events for a client that polls: nextUrl is where to ask next, also where there are no more yet."""
    return {
        "items": [event_document(event) for event in page.events],
        "hasNext": page.has_more,
        "nextUrl": with_query(urls.events, **chosen_by, after=page.after),
    }


def event_document(event: FarmEvent) -> Document:
    """One event."""
    document = {"id": event.id, "type": event.subject, "change": event.change, "at": iso(event.at)}
    match event.subject:
        case Subject.NODE:
            return {**document, "node": event.node}
        case Subject.JOB:
            return {**document, "jobId": event.job_id, "taskId": event.task_id}
    return {
        **document,
        "executionId": event.execution_id,
        "jobId": event.job_id,
        "taskId": event.task_id,
        "from": event.origin,
        "to": event.target,
        "attempt": event.attempt,
        "node": event.node,
        "cause": event.cause,
    }


def sent_event(event: FarmEvent) -> bytes:
    """One event, as the standard has it: its lines, and an empty one."""
    return _block(id=event.id, event=event.subject, data=json.dumps(event_document(event)))


def sent_place(place: Place) -> bytes:
    """A sign of life that a browser shows to nobody. It moves on the id after which the browser would go on."""
    return b": all is told up to here\n" + _block(id=place.id, retry=str(RECONNECT_MILLISECONDS))


def sent_drop(drop: Dropped) -> bytes:
    """That nothing more comes on this connection. It has no id: the browser goes on after the last event it has."""
    return _block(event="dropped", data=json.dumps({"reason": drop.reason}))


def _block(**lines: str) -> bytes:
    return "".join(f"{name}: {value}\n" for name, value in lines.items()).encode() + b"\n"
