"""The command line on a real farm: `jobrunner run`, `ps`, `logs`, `stop` and `worker list`, as their users run them."""

from __future__ import annotations

import hashlib
import json
import signal
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.cli import finish_cli, run_cli, start_cli
from tests.support.farm import Farm, wait_until

FarmMaker = Callable[..., Farm]
pytestmark = pytest.mark.services

# A shell is process 1 of its container, and that gets no SIGTERM that it does not ask for.
STOPPABLE = "trap 'echo stopped; exit 0' TERM; echo started; while true; do sleep 0.1; done"


def listed(farm: Farm, task: str, *options: str) -> list[dict[str, Any]]:
    """The executions of a task, as `jobrunner ps --json` has them."""
    ended = run_cli("ps", "--task", task, "--json", *options, url=farm.url)
    assert ended.returncode == 0, ended.stderr
    items: list[dict[str, Any]] = json.loads(ended.stdout)
    return items


@pytest.fixture
def task() -> str:
    """A task of this test alone."""
    return f"cli-{uuid.uuid4()}"


def test_run_brings_the_output_apart_and_the_exit_code(farm: Farm, task: str) -> None:
    ended = run_cli("run", "--task", task, farm.image, "sh", "-c", "echo out; echo err >&2; exit 3", url=farm.url)

    assert (ended.stdout, ended.stderr, ended.returncode) == (b"out\n", b"err\n", 3)


def test_run_gives_the_command_its_words_and_its_variables(farm: Farm) -> None:
    arguments = ["-e", "NAME=a  b", farm.image, "sh", "-c", 'echo "$NAME|$1|$2"', "sh", "two words", "--task"]

    ended = run_cli("run", *arguments, url=farm.url)

    assert (ended.stdout, ended.returncode) == (b"a  b|two words|--task\n", 0)


def test_run_brings_output_while_the_container_runs(farm: Farm, task: str) -> None:
    with start_cli(
        "run", "--task", task, farm.image, "sh", "-c", "echo first; sleep 3; echo last", url=farm.url
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"first\n"
        assert [item["status"] for item in listed(farm, task)] == ["running"]
        assert finish_cli(process).stdout == b"last\n"


def test_run_brings_much_output_whole_and_in_order(farm: Farm) -> None:
    expected = hashlib.md5(b"".join(b"%d\n" % n for n in range(1, 1_000_001))).hexdigest()
    with start_cli("run", farm.image, "seq", "1", "1000000", url=farm.url) as process:
        stdout, stderr = process.communicate(timeout=120)

    assert hashlib.md5(stdout).hexdigest() == expected
    assert (stderr, process.returncode) == (b"", 0)


def test_run_of_an_image_that_is_not_there_says_so(farm: Farm) -> None:
    ended = run_cli("run", "--pull", "never", "jobrunner/no-such-image:local", "true", url=farm.url)

    assert ended.returncode == 125
    assert ended.stderr.startswith(b"jobrunner: ")
    assert b"jobrunner/no-such-image:local" in ended.stderr


def test_run_of_a_command_that_is_not_there_says_so(farm: Farm) -> None:
    ended = run_cli("run", farm.image, "/no/such/command", url=farm.url)

    assert ended.returncode == 127
    assert b"/no/such/command" in ended.stderr


def test_run_ends_at_its_timeout(farm: Farm) -> None:
    ended = run_cli("run", "--timeout", "1", "--stop-grace", "0", farm.image, "sleep", "60", url=farm.url)

    assert ended.returncode == 124
    assert b"timeout of 1 s" in ended.stderr


def test_run_names_the_field_that_the_api_refuses(farm: Farm) -> None:
    ended = run_cli("run", "No Image", url=farm.url)

    assert ended.returncode == 125
    assert b"jobrunner: image: " in ended.stderr


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_container_and_its_last_output_comes(
    farm: Farm, task: str, number: signal.Signals, expected: int
) -> None:
    with start_cli("run", "--task", task, farm.image, "sh", "-c", STOPPABLE, url=farm.url) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        process.send_signal(number)
        ended = finish_cli(process)

    assert (ended.stdout, ended.returncode) == (b"stopped\n", expected)
    assert [item["status"] for item in listed(farm, task, "-a")] == ["stopped"]


def test_a_reader_that_goes_away_leaves_the_execution_running(farm: Farm, task: str) -> None:
    with start_cli(
        "run", "--task", task, farm.image, "sh", "-c", "yes | head -100000; sleep 2", url=farm.url
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"y\n"
        process.stdout.close()
        assert process.wait(30) == 141

    [item] = wait_until(lambda: listed(farm, task, "-a"), 30, "it is listed")
    wait_until(lambda: listed(farm, task, "-a")[0]["status"] == "done", 30, "it is done")
    assert run_cli("logs", item["executionId"], url=farm.url).stdout == b"y\n" * 100_000


def test_a_second_attempt_is_followed(farm: Farm, task: str) -> None:
    ended = run_cli("run", "--task", task, "--retries", "1", farm.image, "sh", "-c", "echo tried; exit 5", url=farm.url)

    assert (ended.stdout, ended.returncode) == (b"tried\ntried\n", 5)
    assert len(listed(farm, task, "-a")) == 2


def test_a_detached_execution_is_listed_followed_and_stopped(farm: Farm, task: str) -> None:
    execution_id = (
        run_cli("run", "-d", "--task", task, farm.image, "sh", "-c", STOPPABLE, url=farm.url).stdout.decode().strip()
    )
    assert [item["executionId"] for item in listed(farm, task)] == [execution_id]

    with start_cli("logs", "-f", execution_id, url=farm.url) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        stopped = run_cli("stop", execution_id, url=farm.url)
        assert (stopped.stdout.decode().strip(), stopped.returncode) == (execution_id, 0)
        assert finish_cli(process).stdout == b"stopped\n"

    assert listed(farm, task) == []
    assert [item["status"] for item in listed(farm, task, "-a")] == ["stopped"]
    assert run_cli("logs", "--stdout", execution_id, url=farm.url).stdout == b"started\nstopped\n"


def test_ps_shows_a_table(farm: Farm, task: str) -> None:
    assert run_cli("run", "--task", task, farm.image, "sh", "-c", "exit 9", url=farm.url).returncode == 9

    table = run_cli("ps", "-a", "--task", task, url=farm.url).stdout.decode()

    header, row = table.splitlines()
    assert header.split() == ["EXECUTION", "TASK", "IMAGE", "COMMAND", "STATUS", "NODE", "CREATED"]
    assert task in row
    assert "failed (9)" in row


def test_worker_list_shows_a_node_that_is_up(farm: Farm) -> None:
    _, *nodes = run_cli("worker", "list", url=farm.url).stdout.decode().splitlines()

    assert any(" up " in node for node in nodes)


def test_what_is_not_there_is_an_error_in_words(farm: Farm) -> None:
    unknown = str(uuid.uuid4())
    for command in ("logs", "stop"):
        ended = run_cli(command, unknown, url=farm.url)
        assert ended.returncode == 1
        assert unknown.encode() in ended.stderr
        assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_run_loses_and_repeats_nothing_when_the_api_is_restarted(make_farm: FarmMaker, number: signal.Signals) -> None:
    farm = make_farm()
    farm.start_all("one")
    count = "n=0; while [ $n -lt 600 ]; do n=$((n+1)); echo $n; sleep 0.01; done"
    with start_cli("run", farm.image, "sh", "-c", count, url=farm.url) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        farm.end("api", number)
        farm.start_api()
        ended = finish_cli(process)

    assert first + ended.stdout == b"".join(b"%d\n" % n for n in range(1, 601))
    assert (ended.stderr, ended.returncode) == (b"", 0)
