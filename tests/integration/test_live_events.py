"""Server-Sent Events: the output as events with ids, by which a browser goes on after a broken connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from jobrunner.domain.outcomes import Cause, Outcome
from jobrunner.domain.states import State
from jobrunner.engine.finish import close
from tests.support.api_server import PATIENCE_SECONDS, Server, running_api, text_of


@pytest.fixture(scope="module")
def server(mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_api(mongodb_url, redis_url, tmp_path_factory.mktemp("api")) as server:
        yield server


def get(url: str, **headers: str) -> requests.Response:
    """All events of a job or an execution."""
    return requests.get(f"{url}/sse/", headers=headers, timeout=PATIENCE_SECONDS)


def documented_type(server: Server) -> str:
    """The media type that the OpenAPI document gives to the events of an execution."""
    document = requests.get(f"{server.url}/openapi.json", timeout=PATIENCE_SECONDS).json()
    answer = document["paths"]["/tasks/{task_id}/jobs/{job_id}/executions/{execution_id}/sse/"]["get"]["responses"][
        "200"
    ]
    (media_type,) = answer["content"]
    return str(media_type)


def events(answer: requests.Response) -> list[dict[str, Any]]:
    """The documents of all events, each with its name and id."""
    found = []
    for block in answer.content.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append(json.loads(fields["data"]) | {"event": fields["event"], "id": fields.get("id")})
    return found


def test_each_event_of_output_has_an_id_and_the_last_one_says_how_it_ended(server: Server) -> None:
    posted = server.running_job()
    server.node.write(posted["executionId"], b"out\n\ndata: x\r\n", "é".encode())
    server.node.advance(posted["executionId"], State.FAILED, exit_code=3)
    answer = get(posted["jobUrl"])
    assert answer.headers["Content-Type"] == documented_type(server)
    assert answer.content.startswith(b"retry: 1000\n\n")
    first, second, last = events(answer)
    assert (first["event"], first["stream"], first["text"]) == ("output", "stdout", "out\n\ndata: x\r\n")
    assert (second["event"], second["stream"], second["text"]) == ("output", "stderr", "é")
    assert (last["event"], last["state"], last["exitCode"]) == ("done", "failed", 3)
    assert all(event["id"] == event["position"] for event in (first, second, last))


def test_who_comes_back_with_the_last_id_gets_the_rest(server: Server) -> None:
    posted = server.running_job()
    for number in range(5):
        server.node.write(posted["executionId"], b"%d" % number)
    server.node.advance(posted["executionId"], State.DONE, exit_code=0)
    *output, last = events(get(posted["executionUrl"]))
    for number, event in enumerate(output):
        rest = events(get(posted["executionUrl"], **{"Last-Event-ID": event["id"]}))
        assert text_of(rest) == "01234"[number + 1 :]
    for url in (posted["executionUrl"], posted["jobUrl"]):
        assert get(url, **{"Last-Event-ID": last["id"]}).status_code == 204  # an EventSource stops then


def test_who_follows_a_job_is_told_of_another_attempt(server: Server) -> None:
    posted = server.running_job(retries=1)
    with requests.get(f"{posted['jobUrl']}/sse/", stream=True, timeout=PATIENCE_SECONDS) as answer:
        execution = server.node.execution(posted["executionId"])
        close(server.node.farm, execution, Outcome(State.FAILED, Cause.EXIT_CODE, "it failed", exit_code=1))
        assert events(answer)[-1]["event"] == "retry"
    assert events(get(posted["executionUrl"]))[-1]["event"] == "done"


def test_what_is_new_comes_at_once(server: Server) -> None:
    posted = server.running_job()
    with requests.get(f"{posted['executionUrl']}/sse/", stream=True, timeout=PATIENCE_SECONDS) as answer:
        lines = answer.iter_lines(chunk_size=None)
        server.node.write(posted["executionId"], b"hello")
        assert any('"text": "hello"' in line for line in map(bytes.decode, lines))


def test_an_id_that_is_none_is_refused(server: Server) -> None:
    answer = get(server.running_job()["jobUrl"], **{"Last-Event-ID": "7"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "Last-Event-ID")


def test_the_head_of_what_can_be_followed_has_no_body(server: Server) -> None:
    url = server.running_job()["executionUrl"]
    with requests.Session() as session:
        for _ in range(2):
            head = session.head(f"{url}/sse/", timeout=PATIENCE_SECONDS)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["Content-Type"] == documented_type(server)
            assert session.head(f"{url}/ws/", headers={"Upgrade": "websocket"}, timeout=10).status_code == 426
