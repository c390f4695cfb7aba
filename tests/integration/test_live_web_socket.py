"""The WebSocket of an output: all of it as valid text, resumable, with a close that says what to do next."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from jobrunner.domain.outcomes import Cause, Outcome
from jobrunner.domain.states import State
from jobrunner.engine.finish import close
from tests.support.api_server import PATIENCE_SECONDS, Server, all_frames, documents, running_api, text_of, web_socket
from tests.support.farm import wait_until

SMILE = "\N{GRINNING FACE}".encode()
OPENING = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture(scope="module")
def server(mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("api")
    with running_api(mongodb_url, redis_url, folder, api_cors_origins="https://friend.example") as server:
        yield server


def ended_job(server: Server, *chunks: tuple[bytes, bytes]) -> dict[str, Any]:
    """A job that wrote these chunks and ended with exit code 3."""
    posted = server.running_job()
    for stdout, stderr in chunks:
        server.node.write(posted["executionId"], stdout, stderr)
    server.node.advance(posted["executionId"], State.FAILED, exit_code=3)
    return posted


@pytest.mark.timed
def test_output_comes_as_it_is_written_and_the_close_says_done(server: Server) -> None:
    posted = server.running_job()
    execution_id = posted["executionId"]
    with web_socket(posted["executionUrl"]) as socket:
        for written in ("one\n", "two\n"):
            began = time.monotonic()
            server.node.write(execution_id, written.encode())
            assert socket.recv(timeout=PATIENCE_SECONDS) == written
            assert time.monotonic() - began < 2.0  # 0.15 s on a machine with nothing else to do
        server.node.advance(execution_id, State.DONE, exit_code=0)
        assert all_frames(socket) == ([], (1000, "done"))


@pytest.mark.parametrize("jobs", ["job", "jobs"])
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("of", ["jobUrl", "executionUrl"])
def test_the_paths_are_those_of_the_document(server: Server, jobs: str, slash: str, of: str) -> None:
    url = ended_job(server, (b"hi", b""))[of].replace("/jobs/", f"/{jobs}/").replace("http", "ws", 1)
    with connect(f"{url}/ws{slash}", proxy=None) as socket:
        assert all_frames(socket) == (["hi"], (1000, "done"))


def test_a_character_is_never_split_and_what_is_no_text_is_replaced(server: Server) -> None:
    chunks = [(SMILE[n : n + 1], b"e") for n in range(4)] + [(b"\xff|", b""), (SMILE[:2], b"")]
    with web_socket(ended_job(server, *chunks)["executionUrl"], stream="stdout") as socket:
        frames, _ = all_frames(socket)
    assert frames == [SMILE.decode(), "\ufffd|", "\ufffd"]


def test_json_frames_tell_streams_and_states_apart(server: Server) -> None:
    posted = server.running_job()
    with web_socket(posted["executionUrl"], format="json") as socket:
        first = json.loads(socket.recv(timeout=PATIENCE_SECONDS))
        assert (first["state"], first["exitCode"], first["executionId"]) == ("running", None, posted["executionId"])
        server.node.write(posted["executionId"], b"out", b"err")
        server.node.advance(posted["executionId"], State.FAILED, exit_code=3)
        frames, closed = all_frames(socket)
    *output, last = documents(frames)
    assert [(frame["stream"], frame["text"]) for frame in output] == [("stdout", "out"), ("stderr", "err")]
    assert (last["state"], last["exitCode"], last["isOver"], last["nextExecutionId"]) == ("failed", 3, True, None)
    assert closed == (1000, "done")


def test_binary_frames_are_the_bytes_as_they_are(server: Server) -> None:
    content = bytes(range(256)) * 1000
    with web_socket(ended_job(server, (content, b"x"))["executionUrl"], format="binary", stream="stdout") as socket:
        frames, _ = all_frames(socket)
    assert b"".join(frame for frame in frames if isinstance(frame, bytes)) == content


def test_who_comes_back_with_any_position_gets_the_rest_and_nothing_twice(server: Server) -> None:
    # Characters that come apart over chunks, on both streams at once.
    whole = ("aé€" + SMILE.decode()) * 3
    content = whole.encode()
    cuts = [(content[n : n + 1], content[n : n + 2] if n % 2 == 0 else b"") for n in range(len(content))]
    url = ended_job(server, *cuts)["executionUrl"]
    with web_socket(url, format="json") as socket:
        frames = documents(all_frames(socket)[0])
    assert text_of(frames, "stdout") == text_of(frames, "stderr") == whole
    for number, frame in enumerate(frames[:-1]):
        with web_socket(url, format="json", position=frame["position"]) as socket:
            rest = documents(all_frames(socket)[0])
        for stream in ("stdout", "stderr"):
            assert text_of(frames[: number + 1], stream) + text_of(rest, stream) == whole
    with web_socket(url, format="json", position=frames[-1]["position"]) as socket:
        again, closed = all_frames(socket)
    assert (text_of(documents(again)), closed) == ("", (1000, "done"))


@pytest.mark.parametrize(
    ("lines", "expected"), [(0, ""), (1, "5"), (2, "4\n5"), (3, "e3\n4\n5"), (99, "1\n2\ne3\n4\n5")]
)
def test_the_last_lines_are_those_of_both_streams_in_order(server: Server, lines: int, expected: str) -> None:
    url = ended_job(server, (b"1\n2", b""), (b"\n", b""), (b"", b"e3\n"), (b"4\n", b""), (b"5", b""))["executionUrl"]
    with web_socket(url, tail=lines) as socket:
        assert "".join(map(str, all_frames(socket)[0])) == expected


def test_who_follows_from_the_end_gets_only_what_is_new(server: Server) -> None:
    posted = server.running_job()
    server.node.write(posted["executionId"], b"old\n")
    with web_socket(posted["executionUrl"], **{"from": "end"}) as socket:
        server.node.write(posted["executionId"], b"new\n")
        assert socket.recv(timeout=PATIENCE_SECONDS) == "new\n"


def test_who_follows_a_job_is_led_from_attempt_to_attempt(server: Server) -> None:
    farm, posted = server.node.farm, server.running_job(retries=1)
    first = server.node.execution(posted["executionId"])
    server.node.write(first.id, b"first")
    with web_socket(posted["jobUrl"], format="json") as socket:
        close(farm, first, Outcome(State.FAILED, Cause.EXIT_CODE, "it failed", exit_code=1))
        frames, closed = all_frames(socket)
    last = documents(frames)[-1]
    assert closed == (1000, "retry")
    with web_socket(posted["jobUrl"], format="json", position=last["position"]) as socket:
        state = json.loads(socket.recv(timeout=PATIENCE_SECONDS))
        assert (state["executionId"], state["attempt"]) == (last["nextExecutionId"], 2)
        assert state["state"] == "scheduled"  # it waits with us for its time
        server.node.advance(last["nextExecutionId"], State.ENQUEUED, State.PULLING, State.RUNNING)
        server.node.write(last["nextExecutionId"], b"second")
        server.node.advance(last["nextExecutionId"], State.DONE, exit_code=0)
        frames, closed = all_frames(socket)
    assert (text_of(documents(frames)), closed) == ("second", (1000, "done"))
    with web_socket(posted["executionUrl"]) as socket:  # of the first attempt alone: that is over
        assert all_frames(socket) == (["first"], (1000, "done"))


@pytest.mark.timed
def test_a_client_that_closes_is_let_go_at_once(server: Server) -> None:
    posted = server.running_job()
    before = server.connections()
    with web_socket(posted["executionUrl"]):
        wait_until(lambda: server.connections() == before + 1, 5, "it is connected")
    wait_until(lambda: server.connections() <= before, 5, "it was let go")


def test_pings_are_answered_and_messages_mean_nothing(server: Server) -> None:
    posted = server.running_job()
    with web_socket(posted["executionUrl"]) as socket:
        socket.send("what is this?")
        assert socket.ping().wait(PATIENCE_SECONDS)
        server.node.write(posted["executionId"], b"hi")
        assert socket.recv(timeout=PATIENCE_SECONDS) == "hi"


def test_without_an_upgrade_the_answer_says_what_is_asked_for(server: Server) -> None:
    answer = requests.get(f"{server.running_job()['jobUrl']}/ws/", timeout=PATIENCE_SECONDS)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (426, "request")
    assert answer.headers["Upgrade"] == "websocket"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("format=xml", "format"),
        ("stream=stdin", "stream"),
        ("tail=-1", "tail"),
        ("tail=10001", "tail"),
        ("from=middle", "from"),
        ("position=nonsense", "position"),
        ("position=5a023792-1445-44e9-8a8b-cfe5ad05d1c6.0.0", "position"),
        ("tail=1&from=end", "tail"),
    ],
)
@pytest.mark.parametrize("of", ["jobUrl", "executionUrl"])
def test_what_cannot_be_asked_for_is_refused_by_name(server: Server, query: str, field: str, of: str) -> None:
    url = f"{server.running_job()[of]}/ws/?{query}"
    answer = requests.get(url, headers=OPENING, timeout=PATIENCE_SECONDS)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize(
    "broken", [{"Sec-WebSocket-Version": "12"}, {"Sec-WebSocket-Key": "short"}, {"Connection": "keep-alive"}]
)
def test_an_opening_that_is_none_is_refused(server: Server, broken: dict[str, str]) -> None:
    url = f"{server.running_job()['jobUrl']}/ws/"
    assert requests.get(url, headers=OPENING | broken, timeout=PATIENCE_SECONDS).status_code in (400, 426)


def test_nothing_there_is_not_found(server: Server) -> None:
    url = f"{server.url}/tasks/t/jobs/5a023792-1445-44e9-8a8b-cfe5ad05d1c6/ws/"
    assert requests.get(url, headers=OPENING, timeout=PATIENCE_SECONDS).status_code == 404


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_pages_of_strangers_are_refused(server: Server, origin: str) -> None:
    url = f"{server.running_job()['jobUrl']}/ws/".replace("http", "ws", 1)
    with pytest.raises(InvalidStatus) as refused:
        connect(url, origin=origin, proxy=None)
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("origin", ["https://friend.example", "the server's own"])
def test_our_own_pages_and_those_of_friends_are_let_in(server: Server, origin: str) -> None:
    own = server.url if origin == "the server's own" else origin
    url = ended_job(server)["jobUrl"].replace("http", "ws", 1)
    with connect(f"{url}/ws/", origin=own, proxy=None) as socket:
        assert all_frames(socket) == ([], (1000, "done"))
