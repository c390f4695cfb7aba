"""However a run ends, nothing is left of it: no process, no mount, no container, no file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import docker
import psutil
import pytest

from tests.support.farm import wait_until
from tests.support.farm_leftovers import remove_containers

pytestmark = pytest.mark.services

REPOSITORY = Path(__file__).parents[2]
BY_SIGTERM = 143
# It mounts, and leaves processes in sessions of their own behind, one of which nobody waits for.
MESSY = """
import subprocess, sys, time
from pathlib import Path
from tests.chaos.disk import Disk
from tests.chaos.enclosure import enclosed

def run():
    Disk(Path(sys.argv[1]), 2**20)
    subprocess.Popen(["sh", "-c", "sleep 300 & sleep 300"], start_new_session=True)
    print("ready", flush=True)
    time.sleep(300)

sys.exit(enclosed(run))
"""


@contextmanager
def started(tmp_path: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python of this checkout whose files for a while are in a folder of the test's own; ended in any case."""
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary"), "PYTHONPATH": str(REPOSITORY)}
    (tmp_path / "temporary").mkdir()
    process = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """All that it has started, and they in turn."""
    return psutil.Process(process.pid).children(recursive=True)


def has_ended(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def wait_until_all_have_ended(processes: list[psutil.Process]) -> None:
    wait_until(lambda: all(map(has_ended, processes)), 60, f"all have ended of {processes}")


def farm_of(process: subprocess.Popen[bytes]) -> str | None:
    """The id of the farm that a run of chaos has started, once one of its workers is there."""
    for member in family(process):
        try:
            if "--node" in member.cmdline():
                return member.environ()["JOBRUNNER_FARM_ID"]
        except (psutil.NoSuchProcess, psutil.ZombieProcess, KeyError):
            continue
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make namespaces")
def test_kill_9_of_a_run_ends_all_that_it_has_started_and_mounted(tmp_path: Path) -> None:
    with started(tmp_path, "-c", MESSY, str(tmp_path / "disk")) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        wait_until(lambda: sum("sleep" in member.cmdline() for member in family(process)) == 2, 60, "both sleep")
        processes = family(process)
        process.kill()
        wait_until_all_have_ended(processes)
    assert str(tmp_path) not in Path("/proc/mounts").read_text(encoding="utf-8")


@pytest.mark.timeout(400)  # on a machine that does other things too; 15 s on a quiet one
def test_sigterm_ends_a_run_and_all_that_it_has_started(tmp_path: Path) -> None:
    arguments = ("--minutes", "5", "--shared-engine", "--only", "stays away", "--jobs-per-second", "3")
    with started(tmp_path, "-m", "tests.chaos", *arguments) as process, closing(docker.from_env()) as engine:
        farm_id = wait_until(lambda: farm_of(process), 60, "it has started a worker")
        mine = {"label": f"jobrunner.farm={farm_id}"}
        try:
            wait_until(lambda: engine.containers.list(filters=mine), 60, "a container of it runs")
            processes = family(process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(120) == BY_SIGTERM
            wait_until_all_have_ended(processes)
            assert engine.containers.list(all=True, filters=mine) == []
            assert list((tmp_path / "temporary").iterdir()) == []
        finally:
            remove_containers(farm_id)
