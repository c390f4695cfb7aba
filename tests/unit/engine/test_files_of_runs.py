"""Files in and out of a run, whoever dies or does not answer meanwhile: placed before the start, kept once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mongoengine.connection import get_db

from jobrunner.domain.executions import Execution
from jobrunner.domain.files import RESULT_VARIABLE
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.states import State
from jobrunner.engine.artifacts import artifacts, content
from jobrunner.engine.files import upload
from jobrunner.engine.run import run_execution
from jobrunner.engine.run_end import RunEnd
from jobrunner.engine.time_keeper import keep_time
from jobrunner.executors.fake import Script
from tests.support.engine_world import World
from tests.support.farm import wait_until
from tests.support.port_faults import Crash, Kind, Trouble

LEFT: dict[str, bytes | str] = {
    "/out/a": b"aaaa",
    "/out/deep/b": b"bb",
    "/out/link": "/etc/passwd",
    "/result.json": b'{"n": 1}',
}
KEPT = {"out/a": b"aaaa", "out/deep/b": b"bb"}


@pytest.fixture(autouse=True)
def leaves_files(world: World) -> None:
    world.engine.scripts[("leave",)] = Script(files=LEFT)
    world.engine.scripts[("leave-and-fail",)] = Script(files=LEFT, exit_code=3)


def submitted(world: World, command: str = "leave", **spec: Any) -> Execution:
    file = upload(world.farm(), [b"hel", b"lo"])
    wanted = {"inputs": [{"file": file.id, "path": "/in/one"}], "outputs": ["/out"], "result": "/result.json"}
    return world.submit(command, **(wanted | spec))


def run(world: World, execution: Execution, **settings: Any) -> Execution:
    assert run_execution(world.node(**settings), execution.id) is RunEnd.CLOSED
    return world.get(execution)


def kept(world: World, execution: Execution) -> dict[str, bytes]:
    farm = world.farm()
    return {item.name: b"".join(content(farm, item)) for item in artifacts(farm, world.get(execution)).items}


def reasons(world: World, execution: Execution) -> dict[str, str]:
    return {one.path: one.reason for one in artifacts(world.farm(), world.get(execution)).not_kept}


def contents_of(execution: Execution) -> int:
    return int(get_db()["fs.files"].count_documents({"_id": {"$regex": f"^{execution.id}:"}}))


def assert_whole(world: World, execution: Execution) -> None:
    ended = world.get(execution)
    assert ended.state is State.DONE
    assert kept(world, execution) == KEPT
    assert contents_of(execution) == len(KEPT)
    assert ended.artifacts is not None
    assert (ended.artifacts.count, ended.artifacts.size_bytes, ended.artifacts.is_whole) == (2, 6, True)
    assert (ended.result, ended.result_error) == ('{"n":1}', "")
    assert world.engine.starts[execution.id] == 1


def at_every_call(tell: Callable[[int], Trouble]) -> None:
    for at in range(1, 100):
        if len(tell(at).calls) < at:
            assert at > 20, "files take calls"
            return
    raise AssertionError("the story has no end")


def test_what_a_job_names_is_kept_and_links_are_told(world: World) -> None:
    execution = run(world, submitted(world))
    assert_whole(world, execution)
    assert reasons(world, execution) == {"/out/link": "is a symbolic link, and was not followed"}


def test_an_execution_that_asks_for_no_files_makes_no_call_for_them(world: World) -> None:
    execution, trouble = world.submit("speak"), Trouble()
    run_execution(world.troubled_node(trouble), execution.id)
    words = ("file", "artifact", "content", "path")
    assert [name for name in trouble.calls if any(word in name.lower() for word in words)] == []


@pytest.mark.parametrize("kind", [Kind.CRASH_BEFORE, Kind.CRASH_AFTER])
def test_after_a_crash_at_any_call_files_are_kept_whole_and_once(world: World, kind: Kind) -> None:
    def tell(at: int) -> Trouble:
        execution, trouble = submitted(world), Trouble(at, kind)
        try:
            run_execution(world.troubled_node(trouble), execution.id)
        except Crash:
            run_execution(world.node(), execution.id)
        assert_whole(world, execution)
        return trouble

    at_every_call(tell)


@pytest.mark.parametrize("kind", [Kind.REFUSED, Kind.UNANSWERED])
def test_an_outage_at_any_call_is_waited_out_and_files_are_kept_once(world: World, kind: Kind) -> None:
    def tell(at: int) -> Trouble:
        execution, trouble = submitted(world), Trouble(at, kind)
        run_execution(world.troubled_node(trouble), execution.id)
        assert_whole(world, execution)
        return trouble

    at_every_call(tell)


def test_the_inputs_are_there_before_the_start(world: World) -> None:
    execution = submitted(world, "run-on", outputs=[])
    node = world.node()
    world.run_in_background(node, execution.id)
    wait_until(lambda: world.engine.starts[execution.id], 30, "its container is started")
    (container,) = world.engine.containers.values()
    assert container.files.by_path["/in/one"] == b"hello"
    assert container.files.modes["/in/one"] == 0o644


def test_a_file_that_was_deleted_meanwhile_fails_the_execution_before_its_start(world: World) -> None:
    execution = submitted(world)
    world.store.files.delete(execution.spec.inputs[0].file)
    ended = run(world, execution)
    assert (ended.state, ended.cause) == (State.FAILED, Cause.INPUT_MISSING)
    assert execution.spec.inputs[0].file in ended.reason
    assert world.engine.starts[execution.id] == 0


def test_bytes_that_are_gone_fail_the_execution_too(world: World) -> None:
    execution = submitted(world)
    world.store.contents.delete(execution.spec.inputs[0].file)
    assert run(world, execution).cause is Cause.INPUT_MISSING


def test_outputs_and_result_are_kept_of_what_has_failed(world: World) -> None:
    execution = run(world, submitted(world, "leave-and-fail"))
    assert (execution.state, execution.exit_code, execution.result) == (State.FAILED, 3, '{"n":1}')
    assert kept(world, execution) == KEPT


@pytest.mark.parametrize(("command", "cause"), [("leave", Cause.OUTPUT_MISSING), ("leave-and-fail", Cause.EXIT_CODE)])
def test_a_required_output_that_is_missing_fails_what_would_have_succeeded(
    world: World, command: str, cause: Cause
) -> None:
    outputs = ["/out", {"path": "/nothing", "required": True}]
    execution = run(world, submitted(world, command, outputs=outputs))
    assert (execution.state, execution.cause) == (State.FAILED, cause)
    assert kept(world, execution) == KEPT


def test_a_link_in_a_required_folder_is_no_failure(world: World) -> None:
    execution = run(world, submitted(world, outputs=[{"path": "/out", "required": True}]))
    assert execution.state is State.DONE


def test_what_is_missing_or_a_link_itself_is_told_and_no_failure(world: World) -> None:
    execution = run(world, submitted(world, outputs=["/nothing", "/out/link"]))
    assert execution.state is State.DONE
    assert set(reasons(world, execution)) == {"/nothing", "/out/link"}
    assert execution.artifacts is not None
    assert not execution.artifacts.is_whole


def test_bytes_beyond_the_limit_are_cut_and_told(world: World) -> None:
    execution = run(world, submitted(world, outputs=["/out", "/result.json"]), outputs_max_bytes=5)
    assert kept(world, execution) == {"out/a": b"aaaa", "out/deep/b": b"b", "result.json": b""}
    found = {item.name: item.is_whole for item in artifacts(world.farm(), execution).items}
    assert found == {"out/a": True, "out/deep/b": False, "result.json": False}
    assert "more than the 5 bytes" in reasons(world, execution)["/out"]


def test_files_beyond_the_limit_are_left_out_and_told(world: World) -> None:
    execution = run(world, submitted(world), outputs_max_files=1)
    assert kept(world, execution) == {"out/a": b"aaaa"}
    assert "more than the 1 files" in reasons(world, execution)["/out"]


def test_an_engine_that_does_not_answer_is_waited_for_in_bounds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit is known: it is told, without the files, rather than never."""
    execution, trouble = submitted(world), AlwaysAt("FakeExecutor.read_path", lambda: world.clock.move(60))
    run_execution(world.troubled_node(trouble, outputs_timeout_seconds=100), execution.id)
    ended = world.get(execution)
    assert ended.state is State.DONE
    assert kept(world, execution) == {}
    assert "longer than the 100 s" in reasons(world, execution)["/out"]
    assert "did not answer" in ended.result_error


class AlwaysAt(Trouble):
    """A call that is never answered, each time after a while."""

    def __init__(self, name: str, wait: Callable[[], object]) -> None:
        super().__init__()
        self._name, self._wait = name, wait

    def call(self, name: str, error: type, function: Callable[[], object]) -> object:  # type: ignore[override]
        if name == self._name:
            self._wait()
            raise error(name)
        return super().call(name, error, function)


def test_nobody_signals_a_container_whose_files_are_being_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Engine would not answer meanwhile, and all other runs would wait for their time keeper."""
    execution, node = submitted(world, timeout=60), world.node()
    signals: list[str] = []
    monkeypatch.setattr(type(node.executor), "signal", lambda self, execution_id, name: signals.append(name))

    def while_keeping(*args: Any) -> bool:
        world.clock.move(100)
        keep_time(node)
        return put(*args)

    put = world.store.artifacts.put
    monkeypatch.setattr(world.store.artifacts, "put", while_keeping)
    run_execution(node, execution.id)
    assert world.get(execution).state is State.DONE
    assert signals == []


def test_a_worker_that_is_to_end_leaves_the_keeping_to_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution, node = submitted(world), world.node()

    def detach(*args: Any) -> None:
        node.detached.set()
        write(*args)

    write = world.store.contents.write
    monkeypatch.setattr(world.store.contents, "write", detach)
    assert run_execution(node, execution.id) is RunEnd.HANDED_BACK
    monkeypatch.undo()
    assert kept(world, execution) == {}
    run_execution(world.node(), execution.id)
    assert_whole(world, execution)


def test_a_container_learns_where_to_write_its_result(world: World) -> None:
    assert submitted(world).spec.container_envs == {RESULT_VARIABLE: "/result.json"}
    assert world.submit("speak").spec.container_envs == {}
