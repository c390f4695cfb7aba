"""What the scripts share: which processes are theirs to end, and what they say when asked wrongly."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.lib.engine import file_system

SCRIPTS = Path(__file__).parents[2] / "scripts"


def bash(script: str, state: Path) -> subprocess.CompletedProcess[str]:
    """Run a piece of shell with the functions that the scripts share, and a state folder of its own."""
    sourced = f"set -euo pipefail; . {SCRIPTS}/lib/common.sh; STATE={state}; {script}"
    return subprocess.run(["bash", "-c", sourced], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_a_process_that_was_started_is_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    ended = bash(f"remember_process it {sleeper.pid}; stop_process it 10 && echo stopped", tmp_path)

    assert ended.stdout == "stopped\n"
    assert sleeper.wait(10) == -15
    assert not list(tmp_path.iterdir())


def test_a_process_that_does_not_end_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"], stdout=-1) as process:
        assert process.stdout is not None
        process.stdout.readline()
        ended = bash(f"remember_process it {process.pid}; stop_process it 1", tmp_path)

    assert f"The it (process {process.pid}) does not end within 1 s: killing it" in ended.stdout
    assert process.returncode == -9


def test_another_process_with_the_same_id_is_left_alone(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    (tmp_path / "it.process").write_text(f"{sleeper.pid} 1\n")

    assert bash("stop_process it 10", tmp_path).returncode == 1
    assert sleeper.poll() is None


def test_nothing_is_ended_where_nothing_was_started(tmp_path: Path) -> None:
    assert bash("stop_process it 10", tmp_path).returncode == 1


def test_a_process_that_has_ended_but_is_not_reaped_counts_as_gone(tmp_path: Path) -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert bash(f"process_identity {process.pid}", tmp_path).returncode == 1
    process.wait()


def test_a_step_that_fails_says_so_and_ends_the_script(tmp_path: Path) -> None:
    ended = bash("fail 'no luck: try again.'; echo not reached", tmp_path)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.endswith("no luck: try again.\n")


def test_quickstart_explains_itself(tmp_path: Path) -> None:
    told = subprocess.run([SCRIPTS / "quickstart", "--help"], capture_output=True, text=True, timeout=60, check=True)

    assert "--stop" in told.stdout


def test_quickstart_refuses_what_it_does_not_know() -> None:
    refused = subprocess.run(
        [SCRIPTS / "quickstart", "--stpo"], capture_output=True, text=True, timeout=60, check=False
    )

    assert refused.returncode == 2
    assert refused.stderr.startswith("usage: scripts/quickstart")


def test_the_small_image_holds_busybox_itself_and_a_link_for_each_of_its_commands() -> None:
    busybox = shutil.which("busybox")
    assert busybox, "the package busybox-static is not installed"
    with tarfile.open(fileobj=io.BytesIO(file_system(Path(busybox)))) as tar:
        program, shell = tar.getmember("bin/busybox"), tar.getmember("bin/sh")

        assert program.isreg()
        assert program.size == Path(busybox).stat().st_size
        assert (shell.issym(), shell.linkname) == (True, "busybox")
        assert tar.getmember("tmp").mode == 0o1777
