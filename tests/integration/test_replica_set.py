"""The one-member replica set of an embedded MongoDB."""

from __future__ import annotations

from pathlib import Path

import pytest
from pymongo import MongoClient

from jobrunner.cli.local.data_folder import free_port
from jobrunner.cli.local.embedded import mongodb_program, mongodb_url
from jobrunner.errors import StoreUnavailable
from jobrunner.store.replica_set import ensure_replica_set
from tests.support.services import running

pytestmark = pytest.mark.services


def test_an_embedded_mongodb_keeps_its_data_when_its_port_changes(tmp_path: Path) -> None:
    first, second = free_port(), free_port()
    with (
        running(mongodb_program(tmp_path / "mongodb", first), tmp_path),
        MongoClient(mongodb_url(first), w="majority") as client,
    ):
        client.test.things.insert_one({"_id": 1})

    with (
        running(mongodb_program(tmp_path / "mongodb", second), tmp_path),
        MongoClient(mongodb_url(second), w="majority") as client,
    ):
        assert list(client.test.things.find()) == [{"_id": 1}]
        client.test.things.insert_one({"_id": 2})


def test_ensuring_a_replica_set_that_is_there_changes_nothing(tmp_path: Path) -> None:
    port = free_port()
    with (
        running(mongodb_program(tmp_path / "mongodb", port), tmp_path),
        MongoClient(mongodb_url(port)) as client,
    ):
        before = client.admin.command("replSetGetConfig")["config"]["version"]
        assert ensure_replica_set(mongodb_url(port), f"127.0.0.1:{port}")
        assert client.admin.command("replSetGetConfig")["config"]["version"] == before


def test_a_mongodb_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        ensure_replica_set(mongodb_url(free_port()), "127.0.0.1:1")
