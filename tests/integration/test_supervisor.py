"""The supervisor of `jobrunner up`, with small programs in the place of the real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobrunner.cli.local.process_records import ProcessRecords
from jobrunner.cli.local.programs import NotReady, Program
from jobrunner.cli.local.stop_requests import SIGNALS, StopRequests
from jobrunner.cli.local.supervisor import StartFailed, StopRequested, Supervisor

WAIT_SECONDS = 20.0


class Scene:
    """A supervisor in a folder of its own, and what it has said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.records = ProcessRecords(folder / "processes.json")
        requests = StopRequests()
        requests.listen()
        self.supervisor = Supervisor(folder, self.records, requests, self.said.append)

    def pid(self, name: str) -> int:
        return next(record.pid for record in self.records.alive() if record.name == name)

    def told(self, words: str) -> bool:
        return any(words in line for line in self.said)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    scene = Scene(tmp_path)
    yield scene
    for record in scene.records.alive():
        record.signal(signal.SIGKILL)
    for number, handler in before.items():
        signal.signal(number, handler)


def shell(name: str, script: str, **fields: object) -> Program:
    return Program(name, ("sh", "-c", script), **fields)  # type: ignore[arg-type]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def ask_to_stop_when(condition: Callable[[], object]) -> threading.Thread:
    """Send this process the SIGTERM of somebody who wants the end, once the condition holds."""

    def wait_and_ask() -> None:
        until(condition)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=wait_and_ask)
    thread.start()
    return thread


def file_exists(path: Path) -> Callable[[], str]:
    def ready() -> str:
        if not path.exists():
            raise NotReady("it has made no file")
        return "ready"

    return ready


def test_start_returns_when_the_program_is_ready(scene: Scene) -> None:
    made = scene.folder / "made"
    scene.supervisor.start([shell("maker", f"sleep 0.3; touch {made}; exec sleep 60", ready=file_exists(made))])

    assert made.exists()
    assert scene.said[0].startswith("ready (")


def test_a_program_that_dies_at_the_start_is_reported_with_its_last_lines(scene: Scene) -> None:
    with pytest.raises(StartFailed, match=r"(?s)broken ended with exit code 3.*no such luck"):
        scene.supervisor.start([shell("broken", "echo no such luck >&2; exit 3", ready=file_exists(Path("/none")))])


def test_a_program_that_does_not_get_ready_is_reported_with_the_reason(scene: Scene) -> None:
    never = shell("idle", "exec sleep 60", ready=file_exists(Path("/none")), start_within_seconds=0.3)

    with pytest.raises(StartFailed, match=r"idle was not ready within 0\.3 s: it has made no file"):
        scene.supervisor.start([never])


def test_a_program_that_is_not_there_is_reported(scene: Scene) -> None:
    with pytest.raises(StartFailed, match=r"ghost cannot be started: .*No such file"):
        scene.supervisor.start([Program("ghost", ("/no/such/program",))])


def test_a_request_to_stop_ends_the_wait_for_a_program(scene: Scene) -> None:
    asking = ask_to_stop_when(lambda: scene.records.alive())

    with pytest.raises(StopRequested):
        scene.supervisor.start([shell("idle", "exec sleep 60", ready=file_exists(Path("/none")))])
    asking.join()


def test_a_program_has_its_environment_and_a_session_of_its_own(scene: Scene) -> None:
    scene.supervisor.start([shell("printer", "echo $GREETING; exec sleep 60", environment={"GREETING": "hello"})])
    until(lambda: (scene.folder / "printer.log").read_text() == "hello\n")

    assert os.getsid(scene.pid("printer")) == scene.pid("printer") != os.getsid(0)


def test_a_dead_program_is_started_again_and_that_is_said(scene: Scene) -> None:
    scene.supervisor.start([shell("worker", "echo here I am; exec sleep 60")])
    first = scene.pid("worker")
    until(lambda: "here" in (scene.folder / "worker.log").read_text())
    os.kill(first, signal.SIGKILL)
    asking = ask_to_stop_when(lambda: scene.told("worker started again"))
    scene.supervisor.watch()
    asking.join()

    assert scene.pid("worker") != first
    assert scene.told("worker was ended by SIGKILL; starting it again in 1 s")
    assert scene.told("here I am")


def test_programs_are_ended_in_the_given_order(scene: Scene) -> None:
    order = scene.folder / "order"
    script = "trap 'echo {0} >> {1}; exit 0' TERM; touch {2}; while :; do sleep 0.02; done"
    made = {name: scene.folder / f"{name}.ready" for name in ("first", "second", "third")}
    scene.supervisor.start(
        shell(name, script.format(name, order, path), ready=file_exists(path)) for name, path in made.items()
    )
    scene.supervisor.stop([("third",), ("first",), ("second",)])

    assert order.read_text().split() == ["third", "first", "second"]
    assert scene.records.alive() == []


def stubborn(scene: Scene, **fields: object) -> Program:
    """A program that ignores SIGTERM, and has a child."""
    ready = scene.folder / "stubborn"
    script = f"trap '' TERM; sleep 60 & echo $! > {ready}; while :; do sleep 0.1; done"
    return shell("stubborn", script, ready=file_exists(ready), **fields)


def test_a_program_that_does_not_end_is_killed_with_its_children(scene: Scene) -> None:
    scene.supervisor.start([stubborn(scene, stop_within_seconds=0.2)])
    child = int((scene.folder / "stubborn").read_text())
    scene.supervisor.stop([("stubborn",)])

    assert scene.told("stubborn did not stop in time and was killed")
    until(lambda: not is_running(child))


@pytest.mark.timed
def test_programs_of_one_stage_are_waited_for_side_by_side(scene: Scene) -> None:
    slow = "trap 'sleep 1; exit 0' TERM; touch {}; while :; do sleep 0.02; done"
    made = {name: scene.folder / name for name in ("first", "second", "third")}
    scene.supervisor.start(
        shell(name, slow.format(path), ready=file_exists(path), stop_within_seconds=30.0) for name, path in made.items()
    )
    began = time.monotonic()
    scene.supervisor.stop([tuple(made)])

    assert time.monotonic() - began < 2.5
    assert all(scene.told(f"{name} stopped") for name in made)


def test_a_second_request_to_stop_hurries(scene: Scene) -> None:
    scene.supervisor.start([stubborn(scene, stop_within_seconds=60.0)])
    asking = ask_to_stop_when(lambda: True)
    began = time.monotonic()
    scene.supervisor.stop([("stubborn",)])
    asking.join()

    assert time.monotonic() - began < 10


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


ORPHAN_MAKER = """
import sys
from pathlib import Path
from jobrunner.cli.local.process_records import ProcessRecords
from jobrunner.cli.local.programs import Program
from jobrunner.cli.local.stop_requests import StopRequests
from jobrunner.cli.local.supervisor import Supervisor

folder, script = Path(sys.argv[1]), sys.argv[2]
supervisor = Supervisor(folder, ProcessRecords(folder / "processes.json"), StopRequests(), print)
supervisor.start([Program("child", ("sh", "-c", script))])
print("started", flush=True)
supervisor.watch()
"""


def kill_a_supervisor_of(script: str, scene: Scene, made: Path) -> int:
    """Kill a supervisor once its program has made this file; returns the program's process id."""
    arguments = [sys.executable, "-c", ORPHAN_MAKER, str(scene.folder), script]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as supervisor:
        until(made.exists)
        child = scene.pid("child")
        supervisor.kill()
    return child


def test_programs_end_when_their_supervisor_is_killed(scene: Scene) -> None:
    made = scene.folder / "made"
    child = kill_a_supervisor_of(f"touch {made}; exec sleep 60", scene, made)

    until(lambda: not is_running(child))


def test_what_outlives_a_killed_supervisor_is_ended_by_the_next(scene: Scene) -> None:
    made, told = scene.folder / "made", scene.folder / "told"
    # It survives the SIGTERM that the kernel sends when the supervisor dies, and ends at the one after it.
    script = f"trap '[ -e {told} ] && exit; touch {told}' TERM; touch {made}; while :; do sleep 0.02; done"
    child = kill_a_supervisor_of(script, scene, made)
    until(told.exists)
    scene.supervisor.end_leftovers()

    assert not is_running(child)
    assert scene.told(f"child (process {child}) is left over from an earlier run: ending it")
