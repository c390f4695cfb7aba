"""The API as `jobrunner api` serves it, over real sockets: large uploads, followers, and what is hardly HTTP."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from jobrunner.domain.states import State
from tests.support.api_server import PATIENCE_SECONDS, Server, running_api
from tests.support.farm import wait_until

LARGE_BYTES = 100_000_000


@pytest.fixture(scope="module")
def server(mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_api(mongodb_url, redis_url, tmp_path_factory.mktemp("api")) as server:
        yield server


def exchange(server: Server, request: bytes, *, half_close: bool = False) -> tuple[int, dict[str, str]]:
    """Send these bytes; the status, and the reasons by field, of the answer."""
    with socket.create_connection(("127.0.0.1", server.farm.port), timeout=PATIENCE_SECONDS) as client:
        client.sendall(request)
        if half_close:
            client.shutdown(socket.SHUT_WR)
        head, _, body = client.recv(65536).partition(b"\r\n\r\n")
        while body.count(b"\n") == 0:
            body += client.recv(65536)
    document = json.loads(body)
    return int(head.split()[1]), {fault["field"]: fault["reason"] for fault in document["errors"]}


UPLOADS = [
    pytest.param(lambda: b"x" * LARGE_BYTES, id="with a length"),
    pytest.param(lambda: (b"x" * 100_000 for _ in range(LARGE_BYTES // 100_000)), id="in chunks"),
]


@pytest.mark.parametrize("upload", UPLOADS)
@pytest.mark.parametrize("path", ["/tasks/t/", "/nothing/"])
@pytest.mark.parametrize("headers", [{}, {"Expect": "100-continue"}], ids=["", "as curl does"])
def test_a_client_that_sends_100_megabytes_gets_its_answer(
    server: Server, upload: Callable[[], Any], path: str, headers: dict[str, str]
) -> None:
    before = server.worker().memory_info().rss
    answer = requests.post(server.url + path, data=upload(), headers=headers, timeout=60)
    assert answer.status_code == 413
    assert answer.json()["errors"] == [{"field": "body", "reason": "must have at most 1048576 bytes"}]
    assert server.worker().memory_info().rss - before < 20_000_000


def test_a_connection_goes_on_after_a_refused_upload(server: Server) -> None:
    with requests.Session() as session:
        for _ in range(2):
            assert session.post(f"{server.url}/tasks/t/", data=b"x" * 2_000_000, timeout=30).status_code == 413
            assert session.get(f"{server.url}/tasks/", timeout=30).status_code == 200


@pytest.mark.parametrize(
    ("request_bytes", "status", "field"),
    [
        (b"GARBAGE\r\n\r\n", 400, "request"),
        (b"GET /tasks/ HTTP/1.1\r\nHost x\r\n\r\n", 400, "request"),
        (b"GET /tasks/?note=hunter2%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 9000), 414, "path"),
        (b"POST /tasks/%s/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}" % (b"a" * 10_000), 414, "path"),
        (b"POST /tasks/%s/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}" % (b"a" * 8000), 400, "taskId"),
        (b"GET /tasks/ HTTP/1.1\r\nHost: x\r\nX-A: %s\r\n\r\n" % (b"x" * 9000), 431, "headers"),
        (b"POST /tasks/t/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, "request"),
        (b"POST /tasks/t/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "body"),
        (b"POST /tasks/%ff/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 400, "path"),
        (b"POST /tasks/a%2Fb/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 400, "taskId"),
        (b"POST /tasks/a%00b/ HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n" + b'{"image": "a" }', 400, "taskId"),
    ],
)
def test_what_is_hardly_a_request_is_answered_in_our_form(
    server: Server, request_bytes: bytes, status: int, field: str
) -> None:
    answered, faults = exchange(server, request_bytes)
    assert (answered, list(faults)) == (status, [field])
    assert "hunter2" not in server.farm.log("api")


@pytest.mark.parametrize(
    "body",
    [b"Content-Length: 16\r\n\r\n" + b'{"image": "a"}', b"Transfer-Encoding: chunked\r\n\r\ne\r\n" + b'{"image": "a"}'],
)
def test_a_body_that_breaks_off_is_refused_even_if_what_came_is_json(server: Server, body: bytes) -> None:
    request = b"POST /tasks/broken-off/ HTTP/1.1\r\nHost: x\r\n" + body
    status, faults = exchange(server, request, half_close=True)
    assert (status, list(faults)) == (400, ["body"])
    assert requests.get(f"{server.url}/tasks/broken-off/", timeout=10).status_code == 404


def test_a_follower_gets_headers_at_once_and_then_every_byte_as_it_comes(server: Server) -> None:
    posted = server.running_job()
    execution_id = posted["executionId"]
    url = f"{posted['executionUrl']}/stdout/?follow=1"
    with requests.get(url, stream=True, timeout=PATIENCE_SECONDS) as answer:  # returns when the headers are there
        assert answer.headers["Transfer-Encoding"] == "chunked"
        pieces = answer.iter_content(None)
        for written in (b"one\n", b"two\n"):
            server.node.write(execution_id, written)
            assert next(pieces) == written
        server.node.write(execution_id, b"three\n")
        server.node.advance(execution_id, State.DONE, exit_code=0)
        assert b"".join(pieces) == b"three\n"


@pytest.mark.timed
def test_a_follower_that_has_gone_is_let_go_although_nothing_is_written(server: Server) -> None:
    posted = server.running_job()
    before = server.connections()
    followers = [
        requests.get(f"{posted['executionUrl']}/{name}/?follow=1", stream=True, timeout=PATIENCE_SECONDS)
        for name in ("stdout", "stderr", "logs")
    ]
    wait_until(lambda: server.connections() == before + 3, 5, "three are connected")
    for follower in followers:
        follower.close()
    wait_until(lambda: server.connections() <= before, 5, "all three were let go")


def test_the_head_of_an_output_has_no_body_and_the_connection_goes_on(server: Server) -> None:
    posted = server.running_job()
    with requests.Session() as session:
        for _ in range(2):
            head = session.head(f"{posted['executionUrl']}/stdout/?follow=1", timeout=10)
            assert (head.status_code, head.content) == (200, b"")
        assert session.get(f"{posted['executionUrl']}/stdout/", timeout=10).content == b""


def test_a_large_output_is_streamed_and_not_held_in_memory(server: Server) -> None:
    posted = server.running_job()
    block = os.urandom(256 * 1024)
    for _ in range(200):
        server.node.write(posted["executionId"], block)
    before = server.worker().memory_info().rss
    with requests.get(f"{posted['executionUrl']}/stdout/", stream=True, timeout=60) as answer:
        received = sum(len(piece) for piece in answer.iter_content(65536))
    assert received == 200 * len(block)
    assert server.worker().memory_info().rss - before < 20_000_000


def test_eight_clients_that_post_at_once_are_all_answered(server: Server) -> None:
    statuses: list[int] = []

    def post() -> None:
        with requests.Session() as session:
            for _ in range(10):
                answer = session.post(f"{server.url}/tasks/crowd/", data='{"image": "a"}', timeout=30)
                statuses.append(answer.status_code)

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 80
    (task,) = [
        item for item in requests.get(f"{server.url}/tasks/", timeout=10).json()["items"] if item["taskId"] == "crowd"
    ]
    assert task["jobsCount"] == 80
