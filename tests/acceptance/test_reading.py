"""Reading a whole farm: its events as they come, its lists, and nodes that take no new work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from tests.support.farm import Farm, wait_until
from tests.support.farm_maker import FarmMaker

pytestmark = pytest.mark.services


@contextmanager
def listening(farm: Farm, query: str = "", **headers: str) -> Iterator[Iterator[tuple[str, dict[str, Any]]]]:
    """The ids and data of events, as they come over HTTP."""
    session = requests.Session()
    session.trust_env = False
    answer = session.get(f"{farm.url}/events/?{query}", headers=headers, stream=True, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    lines = answer.iter_lines(chunk_size=1)
    assert next(lines).startswith(b":")  # it listens
    try:
        yield _events(lines)
    finally:
        answer.close()


def _events(lines: Iterator[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    block: dict[str, str] = {}
    for line in lines:
        name, _, value = line.decode().partition(": ")
        if line:
            block[name] = value
        elif "event" in block:
            yield block["id"], json.loads(block["data"])
        block = block if line else {}


def test_an_execution_is_followed_by_the_events_of_the_farm_and_gone_on_with(farm: Farm) -> None:
    with listening(farm, "task=events") as events:
        posted = farm.post_job("echo", "hi", task="events", labels={"of": "events"})
        of_job = [(at, event) for at, event in (next(events) for _ in range(5)) if event["type"] == "execution"]
    execution = farm.wait_for_end(posted)
    moves = [event["to"] for _, event in of_job]
    assert moves == ["enqueued", "pulling", "running", "done"]
    assert [{"status": event["to"], "at": event["at"]} for _, event in of_job] == execution["history"]
    assert of_job[-1][1]["cause"] == "success"
    with listening(farm, f"execution={posted['executionId']}", **{"Last-Event-ID": of_job[1][0]}) as events:
        assert [next(events)[1]["to"] for _ in range(2)] == ["running", "done"]
    found = farm.http.get(f"{farm.url}/executions/?label=of=events&status=done", timeout=10).json()
    assert [item["executionId"] for item in found["items"]] == [posted["executionId"]]


def test_a_blacklisted_node_goes_on_with_what_it_has_and_takes_nothing_new(make_farm: FarmMaker) -> None:
    farm = make_farm()
    farm.start_all("one")
    runs = farm.post_job("sh", "-c", "sleep 6; echo end")
    farm.wait_for_status(runs, "running")
    url = f"{farm.url}/docker-executor/blacklist"
    assert farm.http.post(url, json={"host": "one"}, timeout=10).json()["nodes"] == ["one"]
    waits = farm.post_job("echo", "hi")
    farm.end("one")
    farm.start_worker("one")  # it still is on the list, and adopts what it has
    ended = farm.wait_for_end(runs)
    assert (ended["status"], ended["attempt"]) == ("done", 1)
    assert farm.output(runs, "stdout") == b"end\n"
    assert farm.execution(waits)["status"] == "enqueued"
    (host,) = farm.http.get(f"{farm.url}/status/", timeout=10).json()["hosts"]
    assert (host["blacklisted"], host["available"], host["circuit"]) == (True, False, "closed")
    farm.http.delete(url, json={"host": "one"}, timeout=10)
    assert farm.wait_for_end(waits)["status"] == "done"


def test_a_node_that_dies_and_comes_back_is_told(make_farm: FarmMaker) -> None:
    farm = make_farm(node_beat_seconds=0.5, node_silent_seconds=8)
    farm.start_all()
    with listening(farm) as events:
        farm.start_worker("one")
        told = [next(events)[1]]
        farm.processes["one"].kill()
        farm.processes.pop("one").wait(10)
        told.append(next(events)[1])
        farm.start_worker("one")
        told.append(next(events)[1])
        farm.wait_for_end(farm.post_job("true"))  # it takes signals as a worker does from now on
        farm.end("one")
        told.append(next(event for _, event in events if event["type"] == "node"))
    assert [(event["type"], event["change"], event["node"]) for event in told] == [
        ("node", change, "one") for change in ("appeared", "silent", "back", "stopped")
    ]


def test_listeners_go_with_their_clients_and_the_api_ends_under_others(make_farm: FarmMaker) -> None:
    farm = make_farm(api_event_listeners=3)
    farm.start("scheduler", "scheduler")
    farm.start_api()
    with listening(farm), listening(farm), listening(farm):
        assert farm.http.get(f"{farm.url}/events/", timeout=10).status_code == 503

    def one_more() -> requests.Response | None:
        answer = requests.get(f"{farm.url}/events/", stream=True, timeout=10)
        return answer if answer.status_code == 200 else None

    with wait_until(one_more, 30, "those that have gone have made room"):
        assert farm.end("api") < 6
