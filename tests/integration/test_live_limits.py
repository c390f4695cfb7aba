"""Those who follow live when the API ends, when there are too many of them, and when one of them does not read."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading

import pytest
import requests

from jobrunner.domain.states import State
from tests.support.api_server import PATIENCE_SECONDS, all_frames, running_api, web_socket
from tests.support.farm import wait_until


def test_where_the_api_ends_who_follows_text_sees_that_this_was_not_all(
    mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running_api(mongodb_url, redis_url, tmp_path_factory.mktemp("api")) as server:
        posted = server.running_job()
        server.node.write(posted["executionId"], b"so far")
        url = f"{posted['executionUrl']}/stdout/?follow=1"
        with requests.get(url, stream=True, timeout=PATIENCE_SECONDS) as answer:
            pieces = answer.iter_content(None)
            assert next(pieces) == b"so far"
            server.farm.end("api", signal.SIGTERM)
            with pytest.raises(requests.RequestException):
                list(pieces)


def test_more_followers_than_allowed_are_told_to_come_later(
    mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running_api(mongodb_url, redis_url, tmp_path_factory.mktemp("api"), api_followers=2) as server:
        url = f"{server.running_job()['executionUrl']}/stdout/?follow=1"
        followers = [requests.get(url, stream=True, timeout=PATIENCE_SECONDS) for _ in range(2)]
        refused = requests.get(url, timeout=PATIENCE_SECONDS)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
        followers.pop().close()
        wait_until(lambda: requests.head(f"{url}", timeout=5).ok, 30, "it answers")
        wait_until(
            lambda: requests.get(url, stream=True, timeout=PATIENCE_SECONDS).status_code == 200, 30, "one is let in"
        )


def test_a_reader_that_is_stuck_holds_up_nobody_and_is_dropped(
    mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running_api(mongodb_url, redis_url, tmp_path_factory.mktemp("api"), api_stuck_seconds=3) as server:
        posted = server.running_job()
        stuck = socket.socket()
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", server.farm.port))
        path = posted["executionUrl"].removeprefix(server.url)
        stuck.sendall(f"GET {path}/stdout/?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        received: list[bytes] = []
        answer = requests.get(f"{posted['executionUrl']}/stdout/?follow=1", stream=True, timeout=PATIENCE_SECONDS)
        reading = threading.Thread(target=lambda: received.extend(answer.iter_content(None)))
        reading.start()
        content = os.urandom(200_000)
        for _ in range(40):
            server.node.write(posted["executionId"], content)
        wait_until(lambda: sum(map(len, received)) == 40 * len(content), 30, "the other one has all of it")
        wait_until(lambda: server.connections() == 1, 30, "only the one that reads is left")
        server.node.advance(posted["executionId"], State.DONE, exit_code=0)
        reading.join(10)
        assert b"".join(received) == 40 * content
        stuck.close()


def test_who_follows_is_told_to_come_back_when_the_api_ends(
    mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running_api(mongodb_url, redis_url, tmp_path_factory.mktemp("api")) as server:
        posted = server.running_job()
        server.node.write(posted["executionId"], b"before\n")
        with web_socket(posted["executionUrl"], format="json") as socket:
            frames = [json.loads(socket.recv(timeout=PATIENCE_SECONDS)) for _ in range(2)]
            server.farm.end("api", signal.SIGTERM)
            assert all_frames(socket) == ([], (1012, "retry"))
        server.node.write(posted["executionId"], b"after\n")
        server.node.advance(posted["executionId"], State.DONE, exit_code=0)
        server.farm.start_api()
        with web_socket(posted["executionUrl"], position=frames[-1]["position"]) as socket:
            assert all_frames(socket) == (["after\n"], (1000, "done"))
