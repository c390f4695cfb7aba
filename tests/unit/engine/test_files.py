"""Uploaded files: there whole or not at all, kept while they are needed, gone when nobody uses them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from mongoengine.connection import get_db

from jobrunner.domain.identifiers import new_id
from jobrunner.domain.stored_files import StoredFile
from jobrunner.engine import files
from jobrunner.engine.janitors import prune_files as prune_module
from jobrunner.engine.janitors.prune import Prune
from jobrunner.engine.janitors.prune_files import prune_files
from jobrunner.engine.rerun import rerun
from jobrunner.engine.run import run_execution
from jobrunner.errors import Conflict, InvalidRequest, NotFound, StoreUnavailable
from jobrunner.executors.fake import Script
from tests.support.engine_world import World
from tests.support.port_faults import Crash, Kind, Trouble

DAY = 86_400


def uploaded(world: World, content: bytes = b"hello", **given: Any) -> StoredFile:
    return files.upload(world.farm(), [content], **given)


def left() -> int:
    """How many documents of files there are, of any kind."""
    return sum(get_db()[name].count_documents({}) for name in ("files", "fs.files", "fs.chunks"))


def input_of(file: StoredFile) -> dict[str, Any]:
    return {"inputs": [{"file": file.id, "path": "/in"}]}


def test_a_file_is_there_with_its_size_and_digest(world: World) -> None:
    file = uploaded(world, name="a.txt", caller_address="192.0.2.7")
    assert files.file(world.farm(), file.id) == file
    assert (file.size_bytes, file.sha256[:8]) == (5, "2cf24dba")
    assert b"".join(files.content(world.farm(), file)) == b"hello"


def test_an_upload_that_breaks_off_leaves_nothing(world: World) -> None:
    def breaks() -> Iterator[bytes]:
        yield bytes(3_000_000)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        files.upload(world.farm(), breaks())
    assert left() == 0


def test_an_upload_that_is_something_else_leaves_nothing(world: World) -> None:
    with pytest.raises(InvalidRequest, match="sha256"):
        uploaded(world, sha256="0" * 64)
    assert left() == 0


def test_an_upload_under_an_id_that_is_taken_changes_nothing(world: World) -> None:
    file = uploaded(world)
    with pytest.raises(Conflict):
        uploaded(world, b"other", file_id=file.id)
    assert b"".join(files.content(world.farm(), file)) == b"hello"


def test_a_file_that_is_not_whole_is_not_found(world: World) -> None:
    now = world.clock.now()
    arriving = StoredFile(new_id(), "", now, now)
    world.store.files.add(arriving)
    for file_id in (arriving.id, new_id(), "x"):
        with pytest.raises(NotFound):
            files.file(world.farm(), file_id)
    with pytest.raises(InvalidRequest, match=r"inputs\.0\.file"):
        world.submit("speak", **input_of(arriving))


@pytest.mark.parametrize("kind", [Kind.CRASH_BEFORE, Kind.CRASH_AFTER, Kind.REFUSED, Kind.UNANSWERED])
def test_whatever_happens_to_an_upload_the_janitor_leaves_no_part_of_it(world: World, kind: Kind) -> None:
    for at in range(1, 10):
        trouble = Trouble(at, kind)
        try:
            files.upload(world.troubled_farm(trouble), [b"hello"])
        except (Crash, StoreUnavailable):
            world.clock.move(601)
            prune_files(world.farm())
            whole = world.store.files.page(None, 9)
            assert left() == 3 * len(whole)
            for file in whole:
                assert b"".join(files.content(world.farm(), file)) == b"hello"
                files.forget_file(world.farm(), file)
        if len(trouble.calls) < at:
            return
    raise AssertionError("the story has no end")


def test_an_upload_that_goes_on_for_long_is_left_alone(world: World) -> None:
    def slow() -> Iterator[bytes]:
        for _ in range(5):
            world.clock.move(400)
            prune_files(world.farm())
            yield b"x"

    assert files.upload(world.farm(), slow()).size_bytes == 5


def test_a_file_is_kept_from_deletion_until_the_last_execution_with_it_has_ended(world: World) -> None:
    file = uploaded(world)
    execution = world.submit("speak", **input_of(file))
    with pytest.raises(Conflict):
        files.delete_file(world.farm(), file)
    run_execution(world.node(), execution.id)
    files.delete_file(world.farm(), file)
    assert left() == 0
    job = world.store.jobs.get(execution.job_id)
    assert job is not None
    with pytest.raises(InvalidRequest, match=r"inputs\.0\.file"):
        rerun(world.farm(), job)


def test_files_that_nobody_uses_go_and_those_that_are_needed_stay(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune_module, "BATCH", 2)
    idle = [uploaded(world) for _ in range(3)]
    needed, used = uploaded(world), uploaded(world)
    world.submit("speak", startIn="2000h", **input_of(needed))
    world.clock.move(20 * DAY)
    world.submit("speak", **input_of(used))
    world.clock.move(11 * DAY)
    for _ in range(2):
        prune_files(world.farm())
    assert {file.id for file in world.store.files.page(None, 9)} == {needed.id, used.id}
    assert all(world.store.files.get(file.id) is None for file in idle)
    assert left() == 6


def test_files_are_kept_for_ever_where_the_farm_says_so(world: World) -> None:
    uploaded(world)
    world.clock.move(9999 * DAY)
    prune_files(world.farm(file_retention_days=0))
    assert left() == 3


@pytest.mark.parametrize("kind", [Kind.CRASH_BEFORE, Kind.CRASH_AFTER])
def test_outputs_go_with_the_output_by_retention_whoever_dies_meanwhile(world: World, kind: Kind) -> None:
    world.engine.scripts[("leave",)] = Script(files={"/out/a": b"a"})
    for at in range(1, 60):
        execution = world.submit("leave", outputs=["/out"], retention={"keepOutputSeconds": 60})
        run_execution(world.node(), execution.id)
        assert left() == 2
        world.clock.move(3600)
        trouble = Trouble(at, kind)
        try:
            Prune().look(world.troubled_farm(trouble))
        except Crash:
            world.clock.move(1)
            Prune().look(world.farm())
        assert left() == 0
        assert world.store.artifacts.get(execution.id) is None
        assert world.get(execution).output_deleted_at is not None
        if len(trouble.calls) < at:
            return
    raise AssertionError("the story has no end")
