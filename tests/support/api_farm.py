"""A farm for the tests of the API: a real MongoDB, a queue that only notes, and no nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from flask.testing import FlaskClient
from pymongo import MongoClient
from werkzeug.test import TestResponse

from jobrunner.api.app import close_app, create_app
from jobrunner.domain.executions import Execution
from jobrunner.domain.ports.output_store import Chunk, Fragment, Stream
from jobrunner.domain.states import State
from jobrunner.engine.farm import Farm
from jobrunner.engine.move import move
from jobrunner.settings import Settings
from jobrunner.store import connection
from jobrunner.wiring import mongo_store
from tests.support.farm import PATIENT
from tests.support.list_queue import DictTriggers, ListQueue

CLOSE_SECONDS = 5.0
BASE = "http://localhost"  # what Flask's test client calls the server


@dataclass
class ApiFarm:
    """The farm, its recording parts, and a client of its API."""

    farm: Farm
    queue: ListQueue
    triggers: DictTriggers
    client: FlaskClient

    def post(self, task_id: str = "", **spec: Any) -> dict[str, Any]:
        """Post a job; the answer."""
        answer = self.client.post(f"/tasks/{task_id or new_task()}/", data=json.dumps({"image": "busybox"} | spec))
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json
        return document

    def execution(self, execution_id: str) -> Execution:
        """The execution as it is stored."""
        found = self.farm.store.executions.get(execution_id)
        assert found is not None
        return found

    def advance(self, execution_id: str, *states: State, **changes: Any) -> Execution:
        """Move an execution on as a node would; the changes go with the last move."""
        for state in states:
            moved = move(self.farm, self.execution(execution_id), state, **(changes if state is states[-1] else {}))
            assert moved is not None
        return self.execution(execution_id)

    def write(self, execution_id: str, stdout: bytes = b"", stderr: bytes = b"") -> None:
        """Store output as a node would: one more chunk."""
        last = self.farm.store.output.last(execution_id)
        cursor = dict(last.cursor) if last else dict.fromkeys(Stream, 0)
        written = {Stream.STDOUT: stdout, Stream.STDERR: stderr}
        cursor = {stream: seen + len(written[stream]) for stream, seen in cursor.items()}
        fragments = tuple(Fragment(stream, content) for stream, content in written.items() if content)
        sequence = last.sequence + 1 if last else 0
        self.farm.store.output.append(Chunk(execution_id, sequence, fragments, cursor, writer="a test"))


@contextmanager
def api_farm(mongodb_url: str, **settings: Any) -> Iterator[ApiFarm]:
    """An ApiFarm with a database of its own, which is dropped at the end."""
    database = f"jobrunner-api-{uuid4().hex[:12]}"
    chosen = Settings(mongodb_url=mongodb_url, mongodb_database=database, **{**PATIENT, **settings})
    connection.connect(chosen)
    try:
        connection.ensure_indexes()
        queue, triggers = ListQueue(), DictTriggers()
        farm = Farm(chosen, mongo_store(), queue, triggers, announce=lambda event: None)
        app = create_app(farm)
        try:
            yield ApiFarm(farm, queue, triggers, app.test_client())
        finally:
            close_app(app, CLOSE_SECONDS)
    finally:
        connection.disconnect()
        with MongoClient(mongodb_url, serverSelectionTimeoutMS=5000) as client:
            client.drop_database(database)


def new_task() -> str:
    """The name of a task that no other test has."""
    return f"task-{uuid4().hex[:8]}"


def faults_of(answer: TestResponse) -> dict[str, str]:
    """The reasons by field, of an answer that must be an error in our form."""
    assert answer.status_code >= 400, answer.text
    assert answer.content_type == "application/json"
    assert answer.text.endswith("\n")
    document = answer.json
    assert document["error"] == "; ".join(f"{fault['field']}: {fault['reason']}" for fault in document["errors"])
    assert document["errors"]
    return {fault["field"]: fault["reason"] for fault in document["errors"]}
