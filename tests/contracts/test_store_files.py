"""What the store promises about files: their bytes, what is known of them, and what is kept of executions."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import gridfs
import pytest
from mongoengine.connection import get_db

from jobrunner.domain.executions import Execution
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.ports.file_stores import artifact_content
from jobrunner.domain.ports.store import Store
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.domain.stored_files import Artifact, Artifacts, ArtifactSummary, NotKept, StoredFile
from jobrunner.errors import ContentGone
from jobrunner.store.contents import CHUNK_BYTES, drop_unfinished

NOW = datetime(2026, 5, 1, 12, 0, 0, 123_000, tzinfo=UTC)
LARGE = bytes(range(256)) * (2 * CHUNK_BYTES // 256) + b"the end"


def after(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def uploaded(store: Store, minutes: float = 0, **fields: Any) -> StoredFile:
    file = StoredFile(
        **{"id": new_id(), "name": "a.csv", "created_at": after(minutes), "used_at": after(minutes)} | fields
    )
    assert store.files.add(file)
    return file


def whole(store: Store, minutes: float = 0) -> StoredFile:
    complete = store.files.complete(uploaded(store, minutes).id, 5, "ab" * 32, after(minutes))
    assert complete is not None
    return complete


def chunks() -> Any:
    return get_db()["fs.chunks"]


# ------------------------------------------------------------------------------------------------------- contents


@pytest.mark.parametrize("content", [b"", b"x", LARGE, LARGE[:CHUNK_BYTES]])
def test_a_content_is_read_as_it_was_written(store: Store, content: bytes) -> None:
    store.contents.write("c", (content[at : at + 1000] for at in range(0, len(content), 1000)))
    assert b"".join(store.contents.read("c")) == content


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 0), (0, 1), (5, None), (CHUNK_BYTES - 1, 2), (CHUNK_BYTES, 3), (len(LARGE), None), (7, 10**9)],
)
def test_a_content_is_read_from_any_byte_on(store: Store, offset: int, length: int | None) -> None:
    store.contents.write("c", [LARGE])
    end = None if length is None else offset + length
    assert b"".join(store.contents.read("c", offset, length)) == LARGE[offset:end]


def test_a_content_that_is_not_there_or_not_whole_is_gone(store: Store) -> None:
    with pytest.raises(ContentGone):
        list(store.contents.read("c"))
    store.contents.write("c", [LARGE])
    chunks().delete_one({"files_id": "c", "n": 1})
    with pytest.raises(ContentGone):
        list(store.contents.read("c"))


def test_a_content_that_broke_off_is_not_there_and_can_be_deleted(store: Store) -> None:
    def breaks() -> Iterator[bytes]:
        yield LARGE
        raise KeyError

    with pytest.raises(KeyError):
        store.contents.write("c", breaks())
    with pytest.raises(ContentGone):
        list(store.contents.read("c"))
    store.contents.delete("c")
    assert chunks().count_documents({}) == 0


def test_contents_of_an_execution_are_deleted_together_but_for_one_writer(store: Store) -> None:
    one, other = new_id(), new_id()
    for execution_id, writer in ((one, "a"), (one, "b"), (one, "c"), (other, "a")):
        for number in (0, 10):
            store.contents.write(artifact_content(execution_id, writer, number), [b"x"])
    store.contents.delete_of(one, but_writer="b")
    left = {artifact_content(one, "b", 0), artifact_content(one, "b", 10)}
    assert {chunk["files_id"] for chunk in chunks().find()} - {artifact_content(other, "a", n) for n in (0, 10)} == left
    store.contents.delete_of(one)
    assert chunks().count_documents({}) == 2


def test_gridfs_reads_what_is_written(mongodb: Store) -> None:
    """So that MongoDB's own tools do."""
    mongodb.contents.write("c", [LARGE])
    assert gridfs.GridFSBucket(get_db()).open_download_stream("c").read() == LARGE


def test_a_large_content_is_never_whole_in_memory(mongodb: Store) -> None:
    tracemalloc.start()
    mongodb.contents.write("c", (bytes(CHUNK_BYTES) for _ in range(100)))
    length = sum(len(piece) for piece in mongodb.contents.read("c"))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert length == 100 * CHUNK_BYTES
    assert peak_bytes < 20 * CHUNK_BYTES


def test_what_is_not_whole_can_be_dropped_and_nothing_else(store: Store) -> None:
    def breaks() -> Iterator[bytes]:
        yield LARGE
        raise ConnectionResetError

    store.contents.write("whole", [LARGE])
    with pytest.raises(ConnectionResetError):
        store.contents.write("broken", breaks())
    assert set(chunks().distinct("files_id")) == {"whole", "broken"}
    drop_unfinished()
    assert chunks().distinct("files_id") == ["whole"]
    assert b"".join(store.contents.read("whole")) == LARGE


# ---------------------------------------------------------------------------------------------------------- files


def test_a_file_is_added_once_and_becomes_whole(store: Store) -> None:
    file = uploaded(store, caller_address="192.0.2.7")
    assert store.files.get(file.id) == file
    assert not store.files.add(file)
    complete = store.files.complete(file.id, 5, "ab" * 32, after(1))
    assert complete == replace(file, size_bytes=5, sha256="ab" * 32, is_whole=True, used_at=after(1))
    assert store.files.get(file.id) == complete
    assert store.files.complete(new_id(), 5, "ab" * 32, NOW) is None


def test_a_file_that_is_deleted_meanwhile_is_not_completed(store: Store) -> None:
    file = uploaded(store)
    store.files.delete(file.id)
    assert store.files.complete(file.id, 5, "ab" * 32, NOW) is None
    assert store.files.get(file.id) is None


def test_a_file_is_retired_once(store: Store) -> None:
    file = whole(store)
    assert [store.files.retire(file.id), store.files.retire(file.id)] == [True, False]
    assert store.files.page(None, 9) == []


def test_whole_files_are_listed_the_newest_first_page_by_page(store: Store) -> None:
    uploaded(store, 9)
    old, *tied, new = [whole(store, minutes) for minutes in (1, 2, 2, 3)]
    in_order = [new, *sorted(tied, key=lambda file: file.id, reverse=True), old]
    assert store.files.page(None, 9) == in_order
    assert [store.files.page(file, 1) for file in in_order] == [[file] for file in in_order[1:]] + [[]]


def test_files_that_nobody_uses_are_found_the_longest_idle_first(store: Store) -> None:
    broken, (second, first, used) = uploaded(store, 1), [whole(store, minutes) for minutes in (2, 1, 3)]
    store.files.touch([used.id], after(60))
    assert [file.id for file in store.files.idle(after(30), 9, whole=True)] == [first.id, second.id]
    assert store.files.idle(after(30), 9, whole=False) == [broken]
    assert store.files.idle(after(1), 9, whole=True) == []


# ------------------------------------------------------------------------------------------------------ artifacts


def kept(execution_id: str, claim: int, writer: str) -> Artifacts:
    item = Artifact("out/a.csv", "/job/out/a.csv", 5, "ab" * 32, True, artifact_content(execution_id, writer, 0))
    return Artifacts(execution_id, claim, writer, (item,), (NotKept("/job/x", "is not there"),))


def test_what_is_kept_is_replaced_as_a_whole_and_never_by_an_earlier_run(store: Store) -> None:
    execution_id = new_id()
    assert store.artifacts.get(execution_id) is None
    for claim, writer in ((1, "a"), (2, "b"), (2, "c")):
        assert store.artifacts.put(kept(execution_id, claim, writer))
        assert store.artifacts.get(execution_id) == kept(execution_id, claim, writer)
    assert not store.artifacts.put(kept(execution_id, 1, "d"))
    assert store.artifacts.get(execution_id) == kept(execution_id, 2, "c")
    store.artifacts.delete(execution_id)
    assert store.artifacts.get(execution_id) is None


def stored(store: Store, state: State, file_id: str, **fields: Any) -> Execution:
    spec = JobSpec(image="a", inputs=({"file": file_id, "path": "/in"},))  # type: ignore[arg-type]
    made = Execution(new_id(), new_id(), "task", spec, state, NOW, **fields)
    assert store.executions.add(made)
    return made


def test_what_came_of_the_files_of_an_execution_is_kept_with_it(store: Store) -> None:
    execution = stored(store, State.DONE, new_id(), artifacts=ArtifactSummary(2, 10, False), result='{"a":1}')
    assert store.executions.get(execution.id) == execution
    changes = {"artifacts": ArtifactSummary(3, 11, True), "result": None, "result_error": "is not there"}
    changed = store.executions.compare_and_set(execution.id, states=[State.DONE], claim=None, changes=changes)
    assert changed == replace(execution, **changes)


def test_a_file_is_needed_until_the_last_execution_with_it_has_ended(store: Store) -> None:
    file_id = new_id()
    assert not store.executions.needs_file(file_id)
    stored(store, State.DONE, file_id)
    stored(store, State.RUNNING, new_id())
    assert not store.executions.needs_file(file_id)
    stored(store, State.FAILED, file_id, owes_retry=True)
    assert store.executions.needs_file(file_id)
    other_id = new_id()
    stored(store, State.SCHEDULED, other_id)
    assert store.executions.needs_file(other_id)


def test_whether_a_file_is_needed_is_answered_by_an_index(mongodb: Store) -> None:
    query = {"input_files": "x", "state": {"$in": ["running"]}}
    plan = get_db()["executions"].find(query).explain()["queryPlanner"]["winningPlan"]
    assert "IXSCAN" in str(plan) and "input_files" in str(plan)
