"""The replica set of a long run: where its primary dies or hangs, another one takes its place."""

from __future__ import annotations

from pathlib import Path

from pymongo import MongoClient

from tests.chaos.own_mongods import OwnMongods


def test_another_one_takes_the_place_of_a_primary_that_dies_and_it_comes_back(tmp_path: Path) -> None:
    mongods = OwnMongods(tmp_path)
    try:
        mongods.start()
        with MongoClient(mongods.url, serverSelectionTimeoutMS=30_000) as client:
            client.kept.things.insert_one({"_id": 1})
            first = client.primary
            mongods.kill()
            assert mongods.has_ended
            client.kept.things.insert_one({"_id": 2})
            assert client.primary != first
            mongods.start()
            assert not mongods.has_ended
            assert client.kept.things.count_documents({}) == 2
    finally:
        mongods.end()
