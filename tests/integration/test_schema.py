"""The schema version of a database: noted in a new one, brought up to date in an old one, refused from the future."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from mongoengine.connection import get_db

from jobrunner.domain.states import State
from jobrunner.errors import SettingsError
from jobrunner.settings import Settings
from jobrunner.store import connection, schema
from jobrunner.store.documents.collections import ALL_DOCUMENTS
from jobrunner.store.documents.farm import SCHEMA_VERSION
from jobrunner.store.farm import farm_document, farm_id
from jobrunner.wiring import mongo_store

pytestmark = pytest.mark.services
NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def connected(mongodb_url: str, database: str) -> Iterator[None]:
    connection.connect(Settings(mongodb_url=mongodb_url, mongodb_database=database))
    yield
    connection.disconnect()


def test_a_new_database_is_of_the_newest_version() -> None:
    schema.bring_up_to_date()
    assert farm_document().schema_version == SCHEMA_VERSION


def test_there_is_a_step_to_every_version_but_the_first() -> None:
    assert sorted(schema.STEPS) == list(range(schema.FIRST_VERSION + 1, SCHEMA_VERSION + 1))


def test_a_database_without_a_version_is_brought_up_to_date_and_keeps_its_id() -> None:
    get_db()["farm"].insert_one({"_id": "farm", "farm_id": "old"})
    get_db()["tasks"].insert_one({"_id": "nightly-render", "created_at": NOW, "modified_at": NOW, "jobs_count": 1})
    tasks = mongo_store().tasks
    assert tasks.search(["render"], 1, 10).total == 0
    schema.bring_up_to_date()
    assert (farm_id(), farm_document().schema_version) == ("old", SCHEMA_VERSION)
    assert [task.id for task in tasks.search(["render"], 1, 10).items] == ["nightly-render"]


def test_executions_that_had_ended_before_they_were_counted_are_counted_once() -> None:
    get_db()["farm"].insert_one({"_id": "farm", "farm_id": "old", "schema_version": 2})
    states = {"a": "done", "b": "lost", "c": "running"}
    get_db()["executions"].insert_many([{"_id": name, "state": state} for name, state in states.items()])
    measures = mongo_store().measures
    for _ in range(2):
        schema.STEPS[3]()
        while measures.count_ended(10):
            pass
    assert measures.ended().ended == {(State.DONE, None): 1, (State.LOST, None): 1}


def test_a_migration_that_died_half_way_is_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    get_db()["farm"].insert_one({"_id": "farm", "farm_id": "old"})
    taken: list[int] = []

    def dies() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(schema, "SCHEMA_VERSION", 2)
    monkeypatch.setattr(schema, "STEPS", {2: dies})
    with pytest.raises(KeyboardInterrupt):
        schema.bring_up_to_date()
    monkeypatch.setattr(schema, "STEPS", {2: lambda: taken.append(2)})
    schema.bring_up_to_date()
    schema.bring_up_to_date()
    assert taken == [2]


def test_a_database_of_a_later_version_is_refused_in_words_and_left_alone() -> None:
    get_db()["farm"].insert_one({"_id": "farm", "farm_id": "new", "schema_version": SCHEMA_VERSION + 1})
    with pytest.raises(SettingsError, match=f"schema version {SCHEMA_VERSION + 1}"):
        schema.bring_up_to_date()
    assert farm_document().schema_version == SCHEMA_VERSION + 1


def test_every_index_is_made_once_with_all_that_it_is_declared_with() -> None:
    for _ in range(2):
        connection.ensure_indexes()
    for document in ALL_DOCUMENTS:
        name, specs = document._get_collection_name(), document._meta["index_specs"]
        found = get_db()[name].index_information() if specs else {}
        made = [_known(index) for index in found.values() if index["key"] != [("_id", 1)]]
        assert sorted(made, key=str) == sorted(map(_known, specs), key=str)


def _known(index: Mapping[str, Any]) -> dict[str, Any]:
    """A definition, as mongoengine or as MongoDB has it."""
    options = ("partialFilterExpression", "sparse", "expireAfterSeconds", "unique")
    keys = [tuple(key) for key in index.get("fields") or index["key"]]
    return {"keys": keys} | {name: index[name] for name in options if index.get(name, False) is not False}


@pytest.mark.parametrize("added", [{}, {"sparse": True}])
def test_an_index_that_is_there_is_kept_or_named_where_it_contradicts(added: dict[str, bool]) -> None:
    """One that is as it is to be is kept; one of the same name that is different ends the start."""
    get_db()["tasks"].create_index([("created_at", 1), ("_id", 1)], **added)
    if not added:
        connection.ensure_indexes()
    else:
        with pytest.raises(SettingsError, match=r"'tasks' has an index .*created_at_1"):
            connection.ensure_indexes()
