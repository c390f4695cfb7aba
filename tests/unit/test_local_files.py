"""The files that `jobrunner up` keeps: logs, records of processes, ports, and the lock of its folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jobrunner.cli.local.data_folder import DataFolder, free_port, is_free
from jobrunner.cli.local.log_files import LogFile
from jobrunner.cli.local.process_records import ProcessRecord, ProcessRecords
from jobrunner.cli.local.supervisor import back_off_seconds, describe_exit
from jobrunner.errors import SettingsError

URL = "http://127.0.0.1:1"


def test_a_log_is_put_aside_at_a_fresh_start(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "api.log")
    log.path.write_text("from before\n")
    log.rotate()

    assert not log.path.exists()
    assert (tmp_path / "api.log.1").read_text() == "from before\n"


def test_a_log_that_is_being_written_stays_bounded(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "api.log", limit_bytes=1000)
    with log.open() as file:
        for number in range(500):
            file.write(f"line {number}\n".encode() * 10)
            file.flush()
            log.keep_bounded()
            assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 3000
        file.write(b"the end\n")

    assert log.tail(1) == ["the end"]


def test_the_tail_of_a_log_is_its_last_lines_whatever_its_length(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "api.log")
    assert log.tail(3) == []

    log.path.write_bytes(b"x" * 100_000 + b"\n1\n\xff\n3\n")
    assert log.tail(3) == ["1", "\N{REPLACEMENT CHARACTER}", "3"]


def test_a_recorded_process_is_known_as_long_as_it_runs(tmp_path: Path) -> None:
    records = ProcessRecords(tmp_path / "processes.json")
    with subprocess.Popen(["sleep", "60"]) as process:
        records.note("sleeper", process.pid)
        assert [(record.name, record.pid) for record in records.alive()] == [("sleeper", process.pid)]
        records.alive()[0].signal(signal.SIGKILL)

    assert records.alive() == []


def test_another_process_with_a_recorded_id_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        record = ProcessRecord("sleeper", process.pid, started="another boot/1")
        record.signal(signal.SIGKILL)

        assert process.poll() is None
        process.kill()


def test_a_process_that_has_ended_but_is_not_reaped_counts_as_gone() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert ProcessRecord.of("true", process.pid) is None
    process.wait()


def test_torn_records_are_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "processes.json").write_text("[{")
    records = ProcessRecords(tmp_path / "processes.json")
    records.note("me", os.getpid())

    assert [record.name for record in records.alive()] == ["me"]


def test_a_folder_is_held_by_one_process_at_a_time_and_the_second_is_told_who(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path), "http://127.0.0.1:7"], stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SettingsError, match=rf"process {holder.pid}, http://127\.0\.0\.1:7"):
            DataFolder(tmp_path).hold(URL)
        holder.kill()

    DataFolder(tmp_path).hold(URL)


HOLD = """
import sys
from pathlib import Path
from jobrunner.cli.local.data_folder import DataFolder
DataFolder(Path(sys.argv[1])).hold(sys.argv[2])
print("held", flush=True)
__import__("time").sleep(60)
"""


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SettingsError, match=r"file/data cannot be used: Not a directory"):
        DataFolder(tmp_path / "file/data").hold(URL)


def test_a_service_keeps_its_port_over_restarts(tmp_path: Path) -> None:
    preferred = free_port()

    assert DataFolder(tmp_path).port("redis", preferred) == preferred
    assert DataFolder(tmp_path).port("redis", free_port()) == preferred


def test_a_service_whose_port_is_taken_gets_another(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        assert not is_free("127.0.0.1", taken)

        port = DataFolder(tmp_path).port("redis", taken)

        assert port != taken
        assert DataFolder(tmp_path).port("redis", taken) == port


def test_pauses_between_restarts_double_up_to_half_a_minute() -> None:
    assert [back_off_seconds(failures) for failures in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


def test_the_end_of_a_process_is_described_in_words() -> None:
    assert describe_exit(3) == "ended with exit code 3"
    assert describe_exit(-9) == "was ended by SIGKILL"
