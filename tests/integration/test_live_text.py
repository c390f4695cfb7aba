"""?follow=1 of the text routes, by `jobrunner api`: every byte as it comes, and a clean end only at the end."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
import requests

from jobrunner.domain.states import State
from tests.support.api_server import PATIENCE_SECONDS, Server, running_api
from tests.support.farm import wait_until


@pytest.fixture(scope="module")
def server(mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_api(mongodb_url, redis_url, tmp_path_factory.mktemp("api")) as server:
        yield server


def test_who_follows_both_streams_gets_stdout_and_then_stderr(server: Server) -> None:
    posted = server.running_job()
    execution_id = posted["executionId"]
    with requests.get(f"{posted['executionUrl']}/logs/?follow=1", stream=True, timeout=PATIENCE_SECONDS) as answer:
        pieces = answer.iter_content(None)
        server.node.write(execution_id, b"one", b"err")
        assert next(pieces) == b"one"
        server.node.write(execution_id, b"two", b"or")
        server.node.advance(execution_id, State.DONE, exit_code=0)
        assert b"".join(pieces) == b"two\n-=-\nerror"


def test_who_follows_the_last_lines_gets_those_and_what_is_written_then(server: Server) -> None:
    posted = server.running_job()
    execution_id, url = posted["executionId"], posted["executionUrl"]
    server.node.write(execution_id, b"one\ntwo\n")
    with requests.get(f"{url}/stdout/?follow=1&tail=1", stream=True, timeout=PATIENCE_SECONDS) as answer:
        pieces = answer.iter_content(None)
        assert next(pieces) == b"two\n"
        server.node.write(execution_id, b"three\n")
        server.node.advance(execution_id, State.DONE, exit_code=0)
        assert b"".join(pieces) == b"three\n"


def test_who_follows_an_ended_execution_gets_it_whole_at_once(server: Server) -> None:
    posted = server.running_job()
    chunks = [os.urandom(50_000) for _ in range(50)]  # more than is fetched at a time
    for chunk in chunks:
        server.node.write(posted["executionId"], chunk[:1], chunk)
    server.node.advance(posted["executionId"], State.FAILED, exit_code=3)
    answer = requests.get(f"{posted['jobUrl']}/stderr/?follow=true&offset=7", timeout=PATIENCE_SECONDS)
    assert answer.content == b"".join(chunks)[7:]
    assert answer.headers["Jobrunner-Exit-Code"] == "3"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_client_that_speaks_http_1_0_can_follow_too(server: Server) -> None:
    posted = server.running_job()
    server.node.write(posted["executionId"], b"text")
    server.node.advance(posted["executionId"], State.DONE, exit_code=0)
    path = posted["executionUrl"].removeprefix(server.url)
    with socket.create_connection(("127.0.0.1", server.farm.port), timeout=PATIENCE_SECONDS) as client:
        client.sendall(f"GET {path}/stdout/?follow=1 HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.partition(b"\r\n\r\n")[2] == b"text"
    assert b"chunked" not in answer


def test_what_follows_is_refused_as_anything_else_is(server: Server) -> None:
    url = server.running_job()["executionUrl"]
    for path, status in (
        ("stdout/?follow=2", 400),
        ("stdout/?follow=1&offset=x", 400),
        ("logs/?follow=1&offset=1", 400),
    ):
        assert requests.get(f"{url}/{path}", timeout=PATIENCE_SECONDS).status_code == status


@pytest.mark.timed
def test_followers_hold_no_thread_of_the_server(server: Server) -> None:
    posted = server.running_job()
    url = f"{posted['executionUrl']}/stdout/?follow=1"
    followers = [requests.get(url, stream=True, timeout=PATIENCE_SECONDS)]
    before = server.worker().num_threads()
    followers += [requests.get(url, stream=True, timeout=PATIENCE_SECONDS) for _ in range(40)]
    # Each request is served by a thread that is free, else by a new one: these were made one after the other.
    assert server.worker().num_threads() <= before + 8
    for follower in followers:
        follower.close()
    wait_until(lambda: server.connections() <= 1, 10, "all were let go")
