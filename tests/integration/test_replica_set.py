"""The one-member replica set of an embedded MongoDB; and what becomes of a farm whose MongoDB is none, or none yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pymongo import MongoClient

from jobrunner.cli.local.data_folder import free_port
from jobrunner.cli.local.embedded import mongodb_program, mongodb_url
from jobrunner.errors import SettingsError, StoreUnavailable
from jobrunner.settings import Settings
from jobrunner.store import connection
from jobrunner.store.replica_set import ensure_replica_set
from jobrunner.wiring import Wiring
from tests.support.farm import wait_until
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


@contextmanager
def bare_mongod(folder: Path, *, with_replica_set: bool) -> Iterator[Settings]:
    """A mongod that nobody has told that it is a replica set; with or without the option to become one."""
    port = free_port()
    program = mongodb_program(folder / "mongodb", port)
    at = program.command.index("--replSet")
    command = program.command if with_replica_set else program.command[:at] + program.command[at + 2 :]
    settings = Settings(mongodb_url=mongodb_url(port), mongodb_timeout_seconds=1)
    with running(replace(program, command=command, ready=None), folder):
        connection.connect(settings)
        try:
            wait_until(_answers, 30, "mongod answers")
            yield settings
        finally:
            connection.disconnect()


def _answers() -> bool:
    try:
        connection.MongoHealth().check()
    except StoreUnavailable:
        return False
    return True


def test_a_mongodb_that_is_no_replica_set_is_told_in_words(tmp_path: Path) -> None:
    with (
        bare_mongod(tmp_path, with_replica_set=False) as settings,
        pytest.raises(SettingsError, match=r"not a replica set.*rs\.initiate"),
    ):
        Wiring(settings)


def test_a_mongodb_that_has_yet_to_become_a_replica_set_may_be_waited_for(tmp_path: Path) -> None:
    with bare_mongod(tmp_path, with_replica_set=True) as settings, pytest.raises(StoreUnavailable) as caught:
        Wiring(settings)
    assert not caught.value.is_refusal
