"""The events of the farm: as Server-Sent Events and as pages, from real change streams."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter
from werkzeug.test import TestResponse

from jobrunner.api.native import events
from jobrunner.api.native.documents.lists import EventPageDocument
from jobrunner.domain.executions import Node
from jobrunner.domain.states import State
from jobrunner.engine import event_hub
from jobrunner.engine.janitors.presence import note_presence
from tests.support.api_farm import ApiFarm, api_farm, faults_of
from tests.support.farm import wait_until

SECRET = "hunter2"
DONE = (State.PULLING, State.RUNNING, State.DONE)


@pytest.fixture
def api(mongodb_url: str) -> Iterator[ApiFarm]:
    with api_farm(mongodb_url) as farm:
        yield farm
        farm.farm.stopping.set()


class Listener:
    """Reads an answer of Server-Sent Events, block by block."""

    def __init__(self, answer: TestResponse) -> None:
        assert answer.status_code == 200, answer.text
        assert answer.content_type == "text/event-stream; charset=utf-8"
        self._pieces = iter(answer.response)
        self.last_id = ""
        self._block()

    def _block(self) -> dict[str, str]:
        piece = next(piece for piece in self._pieces if piece)
        lines = [line.partition(": ") for line in piece.decode().splitlines() if line]
        block = {name: value for name, _, value in lines}
        self.last_id = block.get("id", self.last_id)
        return block

    def next(self) -> dict[str, Any]:
        """The next event: its data. (What comes in between is no event.)"""
        while True:
            block = self._block()
            if "event" in block:
                data: dict[str, Any] = json.loads(block["data"])
                assert block["event"] == data.get("type", "dropped")
                assert block.get("id") == data.get("id")
                return data


@contextmanager
def listening(api: ApiFarm, query: str = "", **headers: str) -> Iterator[Listener]:
    answer = api.client.get(f"/events/?{query}", headers=headers, buffered=False)
    try:
        yield Listener(answer)
    finally:
        answer.close()


def moves(listener: Listener, count: int) -> list[tuple[str | None, str]]:
    return [(event["from"], event["to"]) for event in (listener.next() for _ in range(count))]


def test_each_move_of_an_execution_is_an_event_without_secrets(api: ApiFarm) -> None:
    with listening(api) as listener:
        posted = api.post("t", envs={"A_PASSWORD": SECRET}, command=["echo", SECRET])
        api.advance(posted["executionId"], State.PULLING, node="n1")
        api.advance(posted["executionId"], State.RUNNING, State.DONE, exit_code=0)
        made, *moved = [listener.next() for _ in range(5)]
    assert (made["type"], made["change"], made["jobId"], made["taskId"]) == ("job", "created", posted["jobId"], "t")
    assert [(move["from"], move["to"], move["node"]) for move in moved] == [
        (None, "enqueued", None),
        ("enqueued", "pulling", "n1"),
        ("pulling", "running", "n1"),
        ("running", "done", "n1"),
    ]
    history = api.client.get(posted["executionUrl"]).json["execution"]["history"]
    assert [{"status": move["to"], "at": move["at"]} for move in moved] == history
    assert {(move["executionId"], move["jobId"], move["taskId"], move["attempt"]) for move in moved} == {
        (posted["executionId"], posted["jobId"], "t", 1)
    }
    assert SECRET not in json.dumps([made, *moved])


def test_a_job_that_is_replaced_and_stopped_is_told_and_one_that_only_counts_is_not(api: ApiFarm) -> None:
    posted = api.post("t", cron="@yearly")
    with listening(api, f"job={posted['jobId']}") as listener:
        api.client.post(posted["jobUrl"] + "/retry/")
        api.client.put(posted["jobUrl"], data='{"image": "new", "cron": "@yearly"}')
        api.client.post(posted["jobUrl"] + "/stop/")
        told: list[str] = []
        while "stopped" not in told:
            event = listener.next()
            told += [event["change"]] if event["type"] == "job" else []
    assert told == ["replaced", "stopped"]


def test_a_pause_and_a_resumption_are_told_once_each(api: ApiFarm) -> None:
    posted = api.post("t", cron="@yearly")
    with listening(api, f"job={posted['jobId']}") as listener:
        for verb in ("pause", "pause", "resume", "resume", "pause"):
            assert api.client.post(f"{posted['jobUrl']}/{verb}/").status_code == 200
        api.client.put(posted["jobUrl"], data='{"image": "new", "cron": "@yearly"}')
        api.client.post(posted["jobUrl"] + "/stop/")
        told: list[str] = []
        while "stopped" not in told:
            event = listener.next()
            told += [event["change"]] if event["type"] == "job" else []
    assert told == ["paused", "resumed", "paused", "replaced", "stopped"]  # what is replaced is paused no more


def test_nodes_appear_fall_silent_come_back_and_stop(api: ApiFarm) -> None:
    now = api.farm.clock.now()
    silent = now - timedelta(hours=1)
    with listening(api) as listener:
        for seen_at, stopped_at in ((now, None), (silent, None), (silent, None), (now, None), (now, now)):
            api.farm.store.nodes.beat(Node("n1", "m", 1, 16, 2, seen_at, now, "20.10", stopped_at))
            note_presence(api.farm)
        told = [listener.next() for _ in range(4)]
    assert [(event["type"], event["change"], event["node"]) for event in told] == [
        ("node", change, "n1") for change in ("appeared", "silent", "back", "stopped")
    ]


def test_only_what_is_asked_for_is_told(api: ApiFarm) -> None:
    other, wanted = api.post("other"), api.post("wanted")
    queries = {
        "task=wanted&status=done": 1,
        f"job={wanted['jobId']}": 3,
        f"execution={wanted['executionId']}&status=running,done": 2,
    }
    for query in queries:
        with listening(api, query) as listener:
            start = listener.last_id
            again = {"other": other, "wanted": wanted} if query.startswith("task") else {}
            for posted in again.values():
                api.advance(posted["executionId"], *DONE)
            if again:
                assert moves(listener, 1) == [("running", "done")]
                first = start
    for query, count in queries.items():
        with listening(api, f"{query}&after={first}") as listener:
            told = [listener.next() for _ in range(count)]
            assert {event["executionId"] for event in told} == {wanted["executionId"]}


@pytest.mark.parametrize("by", ["header", "parameter"])
def test_nothing_is_lost_or_told_twice_by_one_who_goes_on_after_an_id(api: ApiFarm, by: str) -> None:
    with listening(api, "status=enqueued") as listener:
        api.post("before")
        assert listener.next()["taskId"] == "before"
        after = listener.last_id
    for number in range(20):
        api.post(f"missed-{number}")
    arguments: dict[str, Any] = {"Last-Event-ID": after} if by == "header" else {}
    with listening(api, f"status=enqueued&after={after if by == 'parameter' else ''}", **arguments) as listener:
        api.post("live-0")
        told = [listener.next()["taskId"] for _ in range(21)]
        api.post("live-1")
        told.append(listener.next()["taskId"])
    assert told == [*(f"missed-{number}" for number in range(20)), "live-0", "live-1"]


def test_a_sign_of_life_comes_and_moves_the_id_on(api: ApiFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.1)
    with listening(api, "task=none") as listener:
        begin = listener.last_id
        api.post("other")
        wait_until(lambda: not listener._block().get("event") and listener.last_id > begin, 30, "the id moves on")
        after = listener.last_id
    page = api.client.get(f"/events/?format=json&after={after}").json
    assert page["items"] == []


def test_a_listener_that_does_not_read_is_dropped_and_can_go_on(api: ApiFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_hub, "MOST_BUFFERED", 3)
    with listening(api, "status=enqueued") as slow, listening(api, "status=enqueued&task=t-9") as quick:
        for number in range(10):
            api.post(f"t-{number}")
            time.sleep(0.02)
        told = []
        while "taskId" in (event := slow.next()):
            told.append(event["taskId"])
        assert event == {"reason": "more events came than were read"}
        assert told == [f"t-{number}" for number in range(len(told))]
        assert len(told) < 10
        after = slow.last_id
    with listening(api, f"status=enqueued&after={after}") as again:
        assert [again.next()["taskId"] for _ in range(10 - len(told))] == [f"t-{n}" for n in range(len(told), 10)]
    del quick


def test_events_can_be_polled_page_by_page(api: ApiFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EVENTS_PER_PAGE", 2)
    start = api.client.get("/events/?format=json&status=enqueued").json
    assert (start["items"], start["hasNext"]) == ([], False)
    for number in range(5):
        api.post(f"t-{number}")
    told: list[str] = []
    url = start["nextUrl"]
    while len(told) < 5:
        page = api.client.get(url).json
        assert len(page["items"]) == 2 or not page["hasNext"]
        told += [event["taskId"] for event in page["items"]]
        url = page["nextUrl"]
    assert told == [f"t-{number}" for number in range(5)]
    assert api.client.get(url).json["items"] == []


def test_a_page_of_events_of_every_kind_is_as_the_document_has_it(api: ApiFarm) -> None:
    start = api.client.get("/events/?format=json").json
    posted = api.post("t", cron="@yearly")
    api.client.post(f"{posted['jobUrl']}/pause/")
    api.client.post(f"{posted['jobUrl']}/stop/")
    now = api.farm.clock.now()
    api.farm.store.nodes.beat(Node("n1", "m", 1, 16, 2, now, now, "20.10", None))
    note_presence(api.farm)
    page = api.client.get(start["nextUrl"]).json
    assert {event["type"] for event in page["items"]} == {"execution", "job", "node"}
    TypeAdapter(EventPageDocument).validate_python(page)  # a closed form: an unknown key is a fault
    content = api.client.get("/openapi.json").json["paths"]["/events/"]["get"]["responses"]["200"]["content"]
    assert set(content) == {"text/event-stream; charset=utf-8", "application/json"}


def test_no_more_listen_than_may(mongodb_url: str) -> None:
    with api_farm(mongodb_url, api_event_listeners=1) as api:
        with listening(api):
            refused = api.client.get("/events/")
            assert refused.status_code == 503
            assert refused.headers["Retry-After"]
            assert set(faults_of(refused)) == {"api"}
            assert api.client.get("/events/?format=json").status_code == 200
        with listening(api):
            pass
        api.farm.stopping.set()


@pytest.mark.parametrize("form", ["json", "sse"])
@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("after=nonsense", 400, "after"),
        ("after=AB", 400, "after"),
        ("job=x", 400, "job"),
        ("after=" + "82" * 1001, 400, "after"),
        ("status=gone", 400, "status"),
        ("node=n", 400, "node"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(api: ApiFarm, form: str, query: str, status: int, field: str) -> None:
    answer = api.client.get(f"/events/?format={form}&{query}")
    assert answer.status_code == status, answer.text
    assert set(faults_of(answer)) == {field}
    assert set(faults_of(api.client.get("/events/?format=xml"))) == {"format"}


@pytest.mark.parametrize("form", ["json", "sse"])
def test_whoever_goes_on_after_what_is_kept_no_more_is_told_so(api: ApiFarm, form: str) -> None:
    start = api.client.get("/events/?format=json").json
    api.post("t")
    (_, event) = api.client.get(start["nextUrl"]).json["items"]
    forgotten = event["id"][:2] + "00000001" + event["id"][10:]
    answer = api.client.get(f"/events/?format={form}&after={forgotten}")
    assert answer.status_code == 410
    assert set(faults_of(answer)) == {"after"}
