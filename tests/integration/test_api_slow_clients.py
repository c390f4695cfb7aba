"""Clients that send their request a byte at a time, for ever, against the API as `jobrunner api` serves it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import requests

from tests.support.farm import Farm, wait_until
from tests.support.farm_leftovers import drop

PATIENCE_SECONDS = 20
SLOW_REQUESTS = {
    "headers": b"POST /tasks/t/ HTTP/1.1\r\nHost: x\r\nX-A: ",
    "body": b"POST /tasks/t/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
    "file": b"POST /files/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n",
    "file that is refused": b"PUT /files/a/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n",
    "chunks": b"POST /tasks/t/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n",
}


@pytest.fixture(scope="module")
def farm(mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """An API of few threads that gives a request a second to arrive."""
    name = f"test_slow_{socket.gethostname()}"[:30]
    folder = tmp_path_factory.mktemp("slow")
    farm = Farm(name, mongodb_url, redis_url, folder, "a", farm_id=name, api_read_seconds=1, api_threads=4)
    try:
        farm.start_api()
        yield farm
    finally:
        farm.end_all()
        drop(mongodb_url, redis_url, name)


@contextmanager
def slow_clients(port: int, beginning: bytes) -> Iterator[list[socket.socket]]:
    """Twice as many clients as there are threads, each of which goes on with a byte every fifth of a second."""
    clients = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) for _ in range(8)]
    stop = threading.Event()

    def trickle() -> None:
        while not stop.wait(0.2):
            for client in clients:
                with suppress(OSError):
                    client.send(b"x")

    for client in clients:
        client.sendall(beginning)
    trickler = threading.Thread(target=trickle)
    trickler.start()
    try:
        yield clients
    finally:
        stop.set()
        trickler.join()
        for client in clients:
            client.close()


def has_ended(client: socket.socket) -> bool:
    """Whether the server has closed this connection."""
    client.setblocking(False)
    try:
        while client.recv(4096):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass  # reset
    return True


@pytest.mark.parametrize("name", SLOW_REQUESTS)
def test_clients_that_send_a_byte_now_and_then_do_not_hold_the_threads(farm: Farm, name: str) -> None:
    with slow_clients(farm.port, SLOW_REQUESTS[name]) as clients:
        assert requests.get(f"{farm.url}/tasks/", timeout=PATIENCE_SECONDS).status_code == 200
        wait_until(lambda: all(map(has_ended, clients)), 30, "all slow clients were let go")


def test_who_follows_an_output_may_take_longer_than_a_request_may_to_arrive(farm: Farm) -> None:
    posted = farm.post_job()
    url = f"{posted['executionUrl']}/stdout/?follow=1"
    with (
        requests.get(url, stream=True, timeout=(5, 3)) as answer,
        pytest.raises(requests.exceptions.ConnectionError, match="Read timed out"),  # and not: it was cut off
    ):
        next(answer.iter_content(1))
