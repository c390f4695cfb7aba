"""Many followers of one execution: each gets every byte, at the price of one reader and of no thread for any."""

from __future__ import annotations

import statistics
import time

import pytest
from pymongo import MongoClient

from jobrunner.domain.states import State
from tests.support.api_server import all_frames, running_api, web_socket
from tests.support.live_crowd import follow_together
from tests.support.own_mongod import OwnMongod

FOLLOWERS = 90
CHUNKS = 60
LINES = "".join(f"line {number} of a chunk, which is as long as usual\n" for number in range(100))


@pytest.mark.timed
def test_many_followers_get_every_byte_and_cost_one_reader_and_no_threads(
    mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (
        running_api(mongodb_url, redis_url, tmp_path_factory.mktemp("api")) as server,
        MongoClient(mongodb_url) as mongo,
    ):
        database = mongo[server.node.farm.settings.mongodb_database]
        posted = server.running_job()
        execution_id = posted["executionId"]

        def write_and_end() -> None:
            database.command("profile", 2)
            for _ in range(CHUNKS):
                server.node.write(execution_id, LINES.encode())
                time.sleep(0.05)
            server.node.advance(execution_id, State.DONE, exit_code=0)

        crowd = follow_together(posted["executionUrl"], server.worker(), FOLLOWERS, write_and_end)
        database.command("profile", 0)
        reads = {"op": {"$in": ["query", "getmore"]}, "ns": f"{database.name}.log_chunks", "command.sort.sequence": 1}
        assert crowd.received == [LINES * CHUNKS] * FOLLOWERS
        # One reader looks a few times a second; each follower by itself would have made as many looks.
        assert database["system.profile"].count_documents(reads) < 2 * FOLLOWERS
        # The hub's own (the loop, and those that ask the store), and a few that serve requests.
        assert crowd.most_threads - crowd.threads_before <= 7 + 8
        assert crowd.most_memory - crowd.memory_before < 60_000_000
        assert statistics.quantiles(crowd.health_seconds, n=100)[98] < 2.0


def test_where_the_store_goes_away_who_follows_is_told_to_come_back(
    redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    mongod = OwnMongod(tmp_path_factory.mktemp("mongod")).start()
    try:
        with running_api(mongod.url, redis_url, tmp_path_factory.mktemp("api"), mongodb_timeout_seconds=1) as server:
            posted = server.running_job()
            server.node.write(posted["executionId"], b"before")
            with web_socket(posted["executionUrl"]) as socket:
                assert socket.recv(timeout=20) == "before"
                mongod.kill()
                assert all_frames(socket) == ([], (1013, "retry"))
            mongod.start()
    finally:
        mongod.kill()
