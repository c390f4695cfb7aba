"""ps, logs, stop and worker list against an API that does what the test scripts; and what all commands share."""

from __future__ import annotations

import json
import re
import signal
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

import jobrunner
from tests.support.cli import finish_cli, run_cli, start_cli, unused_url
from tests.support.fake_api import FakeApi


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        yield fake


def rows(output: bytes) -> list[list[str]]:
    """The cells of a table, split where two spaces or more part them."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in output.decode().splitlines()]


def test_ps_shows_what_is_under_way_the_newest_first(api: FakeApi) -> None:
    waiting = api.add("first", {"image": "busybox", "command": "sleep 9"})
    waiting.shown = {"status": "enqueued", "node": None}
    api.add().finish()
    running = api.add("second", {"image": "busybox", "command": ["sh", "-c", "x\x1b[2J"]})
    running.shown["createdAt"] = (datetime.now(UTC) - timedelta(minutes=5, seconds=3)).isoformat()

    ended = run_cli("ps", url=api.url)

    header, *listed = rows(ended.stdout)
    assert header == ["EXECUTION", "TASK", "IMAGE", "COMMAND", "STATUS", "NODE", "CREATED"]
    assert [row[0] for row in listed] == [running.id, waiting.id]
    assert listed[0][1:] == ["second", "busybox", "sh -c 'x\\x1b[2J'", "running", "node-1", "5m ago"]
    assert listed[1][1:6] == ["first", "busybox", "sleep 9", "enqueued", "-"]


def test_ps_all_shows_those_that_have_ended_with_their_exit_codes(api: FakeApi) -> None:
    api.add().finish("failed", 3)

    assert "failed (3)" in rows(run_cli("ps", "-a", url=api.url).stdout)[1]


def test_ps_of_one_task_as_json_is_what_the_api_said(api: FakeApi) -> None:
    mine = api.add("mine")
    api.add("theirs")

    ended = run_cli("ps", "--task", "mine", "--json", url=api.url)

    assert json.loads(ended.stdout) == [mine.document()]


def test_ps_says_when_there_are_more_than_it_shows(api: FakeApi) -> None:
    for _ in range(4):
        api.add()

    ended = run_cli("ps", "-n", "3", url=api.url)

    assert len(rows(ended.stdout)) == 1 + 3
    assert b"more than these 3" in ended.stderr


def test_logs_shows_what_there_is_of_each_stream_and_does_not_wait(api: FakeApi) -> None:
    execution = api.add()
    execution.write("stdout", b"out\xff")
    execution.write("stderr", b"err\xfe")

    both = run_cli("logs", execution.id, url=api.url)
    only_stderr = run_cli("logs", "--stderr", execution.id, url=api.url)

    assert (both.stdout, both.stderr, both.returncode) == (b"out\xff", b"err\xfe", 0)
    assert (only_stderr.stdout, only_stderr.stderr) == (b"", b"err\xfe")


def test_logs_follow_goes_on_to_the_end_and_through_a_broken_connection(api: FakeApi) -> None:
    execution = api.add()
    execution.cut("stdout", 2)
    execution.write("stdout", b"one\n")
    with start_cli("logs", "-f", execution.id, url=api.url) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"one\n"
        execution.write("stdout", b"two\n")
        execution.finish("failed", 3)
        ended = finish_cli(process)

    assert (ended.stdout, ended.stderr, ended.returncode) == (b"two\n", b"", 0)


def test_logs_shows_the_last_lines_of_each_stream(api: FakeApi) -> None:
    execution = api.add()
    execution.write("stdout", b"one\ntwo\nthree\n")
    execution.write("stderr", b"no\nyes")

    shown = run_cli("logs", "--tail", "1", execution.id, url=api.url)

    assert (shown.stdout, shown.stderr, shown.returncode) == (b"three\n", b"yes", 0)


def test_logs_follow_from_the_last_line_through_a_broken_connection(api: FakeApi) -> None:
    execution = api.add()
    execution.write("stdout", b"one\ntwo\n")
    execution.cut("stdout", 6, 6)  # that which is asked where the last line begins, and that which follows
    with start_cli("logs", "-f", "-n", "1", execution.id, url=api.url) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"two\n"
        execution.write("stdout", b"three\n")
        execution.finish()
        ended = finish_cli(process)

    assert (ended.stdout, ended.stderr, ended.returncode) == (b"three\n", b"", 0)


def test_logs_tells_why_the_api_refuses_a_time(api: FakeApi) -> None:
    execution = api.add()
    fault = {"field": "since", "reason": "must be a time"}
    api.answers[f"GET {execution.path}stdout/"] = [(400, {"error": "x", "errors": [fault]})]

    refused = run_cli("logs", "--since", "yesterday", execution.id, url=api.url)

    assert (refused.stdout, refused.returncode) == (b"", 1)
    assert b"since: must be a time" in refused.stderr
    assert "since=yesterday" in api.asked("GET", "stdout/")[0][1]


def test_an_interrupt_ends_logs_and_not_the_execution(api: FakeApi) -> None:
    execution = api.add()
    execution.write("stdout", b"one\n")
    with start_cli("logs", "-f", execution.id, url=api.url) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        ended = finish_cli(process)

    assert (ended.returncode, ended.stderr) == (130, b"")
    assert not api.asked("POST", "/stop/")


def test_stop_stops_each_and_complains_of_those_that_are_not_there(api: FakeApi) -> None:
    first, second, unknown = api.add(), api.add(), str(uuid.uuid4())

    ended = run_cli("stop", first.id, unknown, "no-uuid", second.id, url=api.url)

    assert ended.returncode == 1
    assert ended.stdout.decode().split() == [first.id, second.id]
    assert f"{unknown}: execution: there is no '{unknown}'" in ended.stderr.decode()
    assert "no-uuid: execution: must be a UUID" in ended.stderr.decode()
    assert [path for _, path, _ in api.asked("POST", "/stop/")] == [f"{first.path}stop/", f"{second.path}stop/"]


def test_stop_of_a_job_stops_the_job(api: FakeApi) -> None:
    execution = api.add()

    assert run_cli("stop", "--job", execution.id, url=api.url).returncode == 0

    assert [path for _, path, _ in api.asked("POST", "/stop/")] == [f"/tasks/run/jobs/{execution.job_id}/stop/"]


def test_worker_list_shows_the_nodes(api: FakeApi) -> None:
    node = {"name": "n1", "machine": "m1", "slots": 16, "running": 3, "state": "up", "engineVersion": "20.10.24"}
    api.nodes = [{**node, "seenAt": datetime.now(UTC).isoformat()}, {**node, "name": "n2", "state": "silent"}]

    ended = run_cli("worker", "list", url=api.url)

    header, first, second = rows(ended.stdout)
    assert header == ["NODE", "MACHINE", "STATE", "RUNNING", "SEEN", "ENGINE"]
    assert re.fullmatch(r"\d+s ago", first.pop(4))  # how long the command took to start
    assert first == ["n1", "m1", "up", "3/16", "20.10.24"]
    assert second == ["n2", "m1", "silent", "3/16", "-", "20.10.24"]


def test_worker_drain_and_undrain_give_their_orders(api: FakeApi) -> None:
    assert run_cli("worker", "drain", "n1", url=api.url).returncode == 0
    assert run_cli("worker", "drain", "n1", "--deadline", "1h30m", url=api.url).returncode == 0
    assert run_cli("worker", "undrain", "n1", url=api.url).returncode == 0
    assert api.requests == [
        ("POST", "/nodes/n1/drain/", {}),
        ("POST", "/nodes/n1/drain/", {"deadlineSeconds": 5400.0}),
        ("DELETE", "/nodes/n1/drain/", None),
    ]


def test_a_deadline_that_is_no_duration_is_refused(api: FakeApi) -> None:
    ended = run_cli("worker", "drain", "n1", "--deadline", "soon", url=api.url)
    assert ended.returncode == 2
    assert b"must be a duration" in ended.stderr
    assert api.requests == []


@pytest.mark.parametrize(
    "command", [["ps"], ["logs", str(uuid.uuid4())], ["stop", str(uuid.uuid4())], ["worker", "list"]]
)
def test_an_api_that_is_not_there_is_named_with_what_to_do(command: list[str]) -> None:
    url = unused_url()

    ended = run_cli(*command, url=url)

    assert ended.returncode == 1
    assert ended.stderr.decode().startswith(f"jobrunner: no jobrunner API at {url}: connection refused; start one with")
    assert ended.stderr.count(b"\n") == 1


def test_an_address_on_the_command_line_goes_before_the_environment(api: FakeApi) -> None:
    assert run_cli("ps", "--url", api.url, url=unused_url()).returncode == 0


def test_a_setting_that_does_not_exist_is_told_without_a_traceback() -> None:
    ended = run_cli("worker", url=unused_url(), environ={"JOBRUNNER_NO_SUCH": "1"})

    assert ended.returncode == 2
    assert b"no_such" in ended.stderr
    assert b"Traceback" not in ended.stderr


def test_the_variables_of_the_client_are_no_faulty_settings() -> None:
    environ = {"JOBRUNNER_API_KEY": "key", "JOBRUNNER_URL": "http://farm", "JOBRUNNER_SLOTS": "none"}

    ended = run_cli("worker", url=unused_url(), environ=environ)

    assert ended.returncode == 2
    assert b"slots" in ended.stderr
    assert b"url" not in ended.stderr.lower()


def test_help_and_version_need_no_farm() -> None:
    helped = run_cli("--help", url=unused_url())
    version = run_cli("--version", url=unused_url())

    assert all(name.encode() in helped.stdout for name in ("run", "ps", "logs", "stop", "up", "api", "worker"))
    assert jobrunner.__version__.encode() in version.stdout
