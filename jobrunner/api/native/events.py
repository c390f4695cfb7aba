"""The route of the farm's events: Server-Sent Events, or a page of them as JSON."""

from __future__ import annotations

import time
from collections.abc import Iterator

from flask import Response, current_app, jsonify, request

from jobrunner.api.context import current_farm
from jobrunner.api.held_stream import event_stream
from jobrunner.api.native import query
from jobrunner.api.native.documents.lists import EventPageDocument
from jobrunner.api.native.parameters import AFTER, EVENT_FORMAT, EXECUTION, JOB, STATUS, TASK
from jobrunner.api.native.routing import route
from jobrunner.api.native.translate_events import event_page, sent_drop, sent_event, sent_place
from jobrunner.api.native.urls import urls_for_request
from jobrunner.api.openapi.operation import EVENT_STREAM, answers
from jobrunner.domain.farm_events import EventFilter, FarmEvent
from jobrunner.domain.identifiers import check_uuid
from jobrunner.engine.event_hub import EventHub
from jobrunner.engine.farm import Farm
from jobrunner.engine.listen import Dropped, Place, listen, page
from jobrunner.errors import Fault, InvalidRequest

HUB = "jobrunner.event_hub"
EVENTS_PER_PAGE = 500
MOST_READ = 10_000  # of all events, for one page of those that are wanted
HEARTBEAT_SECONDS = 15.0
NAMES = ("format", "after", "task", "job", "execution", "status")


def make_hub(farm: Farm) -> EventHub:
    """The hub of an application."""
    return EventHub(farm.store.events, farm.settings.api_event_listeners, farm.stopping)


@route("GET", "/events")
@answers(
    EVENT_STREAM,
    or_json=EventPageDocument,
    query=(TASK, JOB, EXECUTION, STATUS, AFTER, EVENT_FORMAT),
    refuses=(410,),
)
def show_events() -> Response:
    """Events as they come, after Last-Event-ID or ?after=; ?format=json: those that are there, as a page."""
    query.only(*NAMES)
    form, chosen = request.args.get("format") or "sse", _chosen()
    after = request.headers.get("Last-Event-ID") or request.args.get("after") or None
    if form not in ("json", "sse"):
        raise InvalidRequest(Fault("format", "must be json or sse"))
    farm = current_farm()
    if form == "json":
        found = page(farm.store.events, chosen, after, EVENTS_PER_PAGE, MOST_READ)
        asked = {name: value for name, value in request.args.items() if name != "after"}
        return jsonify(event_page(found, urls_for_request(farm.settings), asked))
    heard = listen(current_app.extensions[HUB], farm.store.events, chosen, after)
    return event_stream(_sent(heard))


def _chosen() -> EventFilter:
    job_id, execution_id = (request.args.get(name) or None for name in ("job", "execution"))
    return EventFilter(
        task_id=query.task(),
        job_id=check_uuid("job", job_id) if job_id else None,
        execution_id=check_uuid("execution", execution_id) if execution_id else None,
        states=query.states(),
        visible=current_farm().caller.limits.task_pattern,
    )


def _sent(heard: Iterator[FarmEvent | Place | Dropped]) -> Iterator[bytes]:
    """The lines to send. An empty piece has the client looked for; a sign of life comes where nothing else does."""
    sent_at = float("-inf")
    for one in heard:
        match one:
            case FarmEvent():
                piece = sent_event(one)
            case Dropped():
                piece = sent_drop(one)
            case Place():
                piece = sent_place(one) if time.monotonic() - sent_at >= HEARTBEAT_SECONDS else b""
        sent_at = time.monotonic() if piece else sent_at
        yield piece
