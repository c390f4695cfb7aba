"""`jobrunner run` against an API that does what the test scripts."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobrunner.domain.identifiers import retry_id
from tests.support.cli import finish_cli, run_cli, start_cli, unused_url
from tests.support.fake_api import FakeApi, FakeExecution

ALL_BYTES = bytes(range(256)) * 40


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        yield fake


def scripted(*written: tuple[str, bytes], **end: object) -> Callable[[FakeExecution], None]:
    """What an execution does: write to its streams, then finish so."""

    def script(execution: FakeExecution) -> None:
        for stream, content in written:
            execution.write(stream, content)
        execution.finish(**end)  # type: ignore[arg-type]

    return script


class Held:
    """An execution that runs until the test ends it."""

    def __init__(self, api: FakeApi, first_output: bytes = b"started\n") -> None:
        self.started = threading.Event()
        self.execution: FakeExecution

        def script(execution: FakeExecution) -> None:
            self.execution = execution
            execution.write("stdout", first_output)
            self.started.set()

        api.on_submit = script


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


def test_the_two_streams_come_apart_and_byte_for_byte(api: FakeApi) -> None:
    api.on_submit = scripted(("stdout", ALL_BYTES), ("stderr", ALL_BYTES[::-1]), ("stdout", b"\xff\n"))

    ended = run_cli("run", "image", url=api.url)

    assert ended.stdout == ALL_BYTES + b"\xff\n"
    assert ended.stderr == ALL_BYTES[::-1]
    assert ended.returncode == 0


@pytest.mark.parametrize("exit_code", [1, 3, 255])
def test_the_exit_code_is_that_of_the_container_and_says_all(api: FakeApi, exit_code: int) -> None:
    api.on_submit = scripted(status="failed", exit_code=exit_code, cause="exit_code", reason="exited with code")

    ended = run_cli("run", "image", url=api.url)

    assert (ended.returncode, ended.stderr) == (exit_code, b"")


@pytest.mark.parametrize(
    ("status", "exit_code", "cause", "expected"),
    [
        ("failed", None, "image_not_found", 125),
        ("failed", 127, "command_not_found", 127),
        ("failed", 126, "command_not_executable", 126),
        ("failed", 137, "out_of_memory", 137),
        ("timedout", 137, "timeout", 124),
        ("timedout", 0, "timeout", 124),
        ("stopped", None, "stopped", 143),
        ("stopped", 0, "stopped", 143),
        ("stopped", 137, "stopped", 137),
        ("expired", None, "expired", 125),
        ("lost", None, "node_lost", 125),
    ],
)
def test_an_end_that_the_exit_code_does_not_tell_is_told_in_words(
    api: FakeApi, status: str, exit_code: int | None, cause: str, expected: int
) -> None:
    api.on_submit = scripted(status=status, exit_code=exit_code, cause=cause, reason="in \x1b[31m words\n")

    ended = run_cli("run", "image", url=api.url)

    assert ended.returncode == expected
    assert ended.stderr == b"jobrunner: in \\x1b[31m words\\n\n"


def test_output_comes_while_the_container_runs(api: FakeApi) -> None:
    held = Held(api, b"first")

    with start_cli("run", "image", url=api.url) as process:
        assert process.stdout is not None
        assert process.stdout.read(5) == b"first"
        assert not held.execution.ended
        held.execution.finish()
        assert finish_cli(process).returncode == 0


def test_a_connection_that_breaks_loses_and_repeats_nothing(api: FakeApi) -> None:
    def script(execution: FakeExecution) -> None:
        execution.cut("stdout", 0, 1, 5000, 5001, len(ALL_BYTES))
        execution.cut("stderr", 0, 7)
        execution.write("stdout", ALL_BYTES)
        execution.write("stderr", b"errors\n")
        execution.finish()

    api.on_submit = script

    ended = run_cli("run", "image", url=api.url)

    assert (ended.stdout, ended.stderr, ended.returncode) == (ALL_BYTES, b"errors\n", 0)
    assert len(api.asked("GET", "/stdout/")) >= 6


def test_a_connection_closed_in_order_before_the_end_is_taken_up_again(api: FakeApi) -> None:
    held = Held(api, b"one ")

    def script(execution: FakeExecution) -> None:
        execution.close("stdout", 0, 4)
        held.execution = execution
        execution.write("stdout", b"one ")

    api.on_submit = script
    with start_cli("run", "image", url=api.url) as process:
        assert process.stdout is not None
        assert process.stdout.read(4) == b"one "
        held.execution.write("stdout", b"two")
        held.execution.finish()
        ended = finish_cli(process)

    assert (ended.stdout, ended.returncode) == (b"two", 0)


def test_an_api_that_fails_for_a_while_is_asked_again(api: FakeApi) -> None:
    held = Held(api)
    with start_cli("run", "image", url=api.url) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        unavailable = (503, {"error": "mongo does not answer"})
        api.answers[f"GET {held.execution.path}"] = [unavailable] * 4
        api.answers[f"GET {held.execution.path}stdout/"] = [unavailable] * 4
        held.execution.cut("stdout", 8)
        held.execution.write("stdout", b"went on\n")
        held.execution.finish()
        ended = finish_cli(process)

    assert (ended.stdout, ended.stderr, ended.returncode) == (b"went on\n", b"", 0)


def test_much_output_to_a_slow_reader_is_whole(api: FakeApi) -> None:
    content = os.urandom(8 * 1024 * 1024)
    api.on_submit = scripted(("stdout", content))

    with start_cli("run", "image", url=api.url) as process:
        assert process.stdout is not None
        received = bytearray()
        while piece := process.stdout.read(100_000):
            received += piece
        assert process.wait(30) == 0

    assert received == content


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_job_and_its_last_output_still_comes(
    api: FakeApi, number: signal.Signals, expected: int
) -> None:
    def stop(execution: FakeExecution) -> None:
        execution.write("stdout", b"cleaning up\n")
        execution.finish("stopped", 0, "stopped", "stopped on request")

    held = Held(api)
    api.on_stop = stop
    with start_cli("run", "image", url=api.url) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        process.send_signal(number)
        ended = finish_cli(process)

    assert ended.returncode == expected
    assert ended.stdout == b"cleaning up\n"
    assert held.execution.id.encode() in ended.stderr
    assert [path for _, path, _ in api.asked("POST", "/stop/")] == [f"/tasks/run/jobs/{held.execution.job_id}/stop/"]


def test_a_second_signal_leaves_at_once_and_says_where_the_job_is(api: FakeApi) -> None:
    held = Held(api)
    stopping = threading.Event()
    api.on_stop = lambda execution: stopping.set()
    with start_cli("run", "image", url=api.url) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert stopping.wait(30)
        process.send_signal(signal.SIGINT)
        ended = finish_cli(process)

    assert ended.returncode == 130
    assert f"jobrunner logs -f {held.execution.id}".encode() in ended.stderr
    assert not held.execution.ended


def test_a_signal_while_the_job_is_submitted_stops_it(api: FakeApi) -> None:
    submitting, answer = threading.Event(), threading.Event()

    def hold() -> None:
        submitting.set()
        answer.wait(30)

    api.before_answer = hold
    api.on_submit = lambda execution: None
    with start_cli("run", "image", url=api.url) as process:
        assert submitting.wait(30)
        process.send_signal(signal.SIGINT)
        answer.set()
        ended = finish_cli(process)

    assert ended.returncode == 130
    assert len(api.asked("POST", "/stop/")) == 1


def test_a_stop_that_the_api_cannot_take_now_is_asked_for_again(api: FakeApi) -> None:
    held = Held(api)
    with start_cli("run", "image", url=api.url) as process:
        assert process.stdout is not None
        process.stdout.readline()
        api.answers[f"POST /tasks/run/jobs/{held.execution.job_id}/stop/"] = [(503, {"error": "redis"})] * 2
        process.send_signal(signal.SIGINT)
        assert finish_cli(process).returncode == 130

    assert held.execution.shown["status"] == "stopped"


def test_a_reader_that_goes_away_ends_it_quietly_and_stops_nothing(api: FakeApi) -> None:
    held = Held(api)
    with start_cli("run", "image", url=api.url) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        held.execution.write("stdout", b"nobody reads this\n")
        assert process.wait(30) == 141
        assert process.stderr is not None
        assert process.stderr.read() == b""

    assert not api.asked("POST", "/stop/")


def test_a_closed_stdout_is_no_error(api: FakeApi) -> None:
    api.on_submit = scripted(("stdout", b"nowhere"), ("stderr", b"errors"))
    with start_cli("run", "image", url=api.url, shell='exec "$@" >&-') as process:
        ended = finish_cli(process)

    assert (ended.returncode, ended.stderr) == (0, b"errors")


def test_detached_prints_the_id_and_leaves(api: FakeApi) -> None:
    held = Held(api)

    ended = run_cli("run", "-d", "image", url=api.url)

    assert (ended.returncode, ended.stdout.decode().strip()) == (0, held.execution.id)
    assert not held.execution.ended


def test_further_attempts_are_followed_to_the_last(api: FakeApi) -> None:
    def script(execution: FakeExecution) -> None:
        following = api.add(id=retry_id(execution.id), job_id=execution.job_id)
        scripted(("stdout", b"again\n"), status="failed", exit_code=4, cause="exit_code")(following)
        scripted(("stdout", b"first\n"), status="failed", exit_code=3, cause="exit_code", reason="exited")(execution)

    api.on_submit = script

    ended = run_cli("run", "--retries", "1", "image", url=api.url)

    assert (ended.stdout, ended.returncode) == (b"first\nagain\n", 4)


def test_a_signal_stops_the_job_also_where_its_attempt_has_failed_by_then(api: FakeApi) -> None:
    held = Held(api)
    api.on_stop = lambda execution: None
    with start_cli("run", "--retries", "3", "image", url=api.url) as process:
        assert process.stdout is not None
        process.stdout.readline()
        held.execution.finish("failed", 3, "exit_code", "exited with code 3")
        wait_until(lambda: api.asked("GET", f"{retry_id(held.execution.id)}/"))
        api.answers[f"POST /tasks/run/jobs/{held.execution.job_id}/stop/"] = [(503, {"error": "redis"})] * 3
        process.send_signal(signal.SIGINT)
        assert finish_cli(process).returncode == 130

    assert len(api.asked("POST", "/stop/")) == 3 + 1


def test_a_stop_that_the_api_refuses_is_not_taken_for_one(api: FakeApi) -> None:
    held = Held(api)
    with start_cli("run", "--retries", "3", "image", url=api.url) as process:
        assert process.stdout is not None
        process.stdout.readline()
        held.execution.finish("failed", 3, "exit_code", "exited with code 3")
        wait_until(lambda: api.asked("GET", f"{retry_id(held.execution.id)}/"))
        api.answers[f"POST /tasks/run/jobs/{held.execution.job_id}/stop/"] = [(403, {"error": "not yours"})]
        process.send_signal(signal.SIGINT)
        ended = finish_cli(process)

    assert ended.returncode == 125
    assert b"not yours; execution" in ended.stderr


def test_options_end_at_the_image(api: FakeApi) -> None:
    assert run_cli("run", "image", "sh", "-c", "--task", "-d", "--", "x y", url=api.url).returncode == 0

    [(_, path, body)] = api.asked("POST", "/")
    assert path == "/tasks/run/"
    assert body == {"image": "image", "command": ["sh", "-c", "--task", "-d", "--", "x y"], "envs": {}, "retries": 0}


def test_options_become_the_payload(api: FakeApi, tmp_path: Path) -> None:
    env_file = tmp_path / "envs"
    env_file.write_bytes(b"# comment\r\nA=from file\r\n\n  B=2=2\nFROM_HERE\nNOT_HERE\n")
    options = ["--env-file", str(env_file), "-e", "A=from option", "-e", "EMPTY=", "-e", "ALSO_NOT_HERE"]
    options += ["--timeout", "7", "--retries", "2", "--pull", "never", "--stop-grace", "0", "--task", "my task"]

    assert run_cli("run", *options, "image", url=api.url, environ={"FROM_HERE": "here"}).returncode == 0

    [(_, path, body)] = api.asked("POST", "/")
    assert path == "/tasks/my%20task/"
    assert body == {
        "image": "image",
        "envs": {"A": "from option", "B": "2=2", "FROM_HERE": "here", "EMPTY": ""},
        "timeout": 7,
        "stopGrace": 0,
        "retries": 2,
        "pullPolicy": "never",
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--no-such", "image"], "--no-such"),
        ([], "IMAGE"),
        (["--timeout", "0", "image"], "--timeout"),
        (["-e", "=x", "image"], "NAME"),
        (["-e", "A B=x", "image"], "NAME"),
        (["--env-file", "/does/not/exist", "image"], "/does/not/exist"),
        (["image", "\udcff"], "UTF-8"),
        (["--task", "a/b", "image"], "taskId"),
    ],
)
def test_what_cannot_be_asked_for_is_an_error_of_its_own(api: FakeApi, arguments: list[str], words: str) -> None:
    ended = run_cli("run", *arguments, url=api.url)

    assert ended.returncode == 125
    assert words in ended.stderr.decode()
    assert api.requests == []


def test_what_the_api_refuses_is_said_with_field_and_reason(api: FakeApi) -> None:
    faults = [{"field": "image", "reason": "must be an image reference"}, {"field": "timeout", "reason": "too long"}]
    api.answers["POST /tasks/run/"] = [(400, {"error": "invalid", "errors": faults})]

    ended = run_cli("run", "IMAGE", url=api.url)

    assert ended.returncode == 125
    assert ended.stderr == b"jobrunner: image: must be an image reference; timeout: too long\n"


def test_an_api_that_is_not_there_is_named_with_what_to_do() -> None:
    url = unused_url()
    ended = run_cli("run", "image", url=url)

    assert ended.returncode == 125
    assert f"no jobrunner API at {url}: connection refused".encode() in ended.stderr
    assert b"jobrunner up" in ended.stderr
    assert b"Traceback" not in ended.stderr


def test_a_person_who_waits_for_a_node_is_told_so(api: FakeApi) -> None:
    def script(execution: FakeExecution) -> None:
        execution.shown["status"] = "enqueued"
        executions.append(execution)

    executions: list[FakeExecution] = []
    api.on_submit = script
    terminal, its_end = pty.openpty()
    with start_cli("run", "image", url=api.url, stderr=its_end) as process:
        assert b"no node has taken it yet" in os.read(terminal, 1000)
        executions[0].finish()
        assert finish_cli(process).returncode == 0
    os.close(its_end)
    os.close(terminal)


def test_an_ignored_interrupt_stays_ignored(api: FakeApi) -> None:
    held = Held(api)
    with start_cli("run", "image", url=api.url, shell='trap "" INT; exec "$@"') as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        held.execution.write("stdout", b"went on\n")
        assert process.stdout.readline() == b"went on\n"
        held.execution.finish()
        assert finish_cli(process).returncode == 0

    assert not api.asked("POST", "/stop/")


def test_a_proxy_is_not_asked_for_this_very_machine(api: FakeApi) -> None:
    proxy = unused_url()
    ended = run_cli("run", "image", url=api.url, environ={"HTTP_PROXY": proxy, "http_proxy": proxy})

    assert ended.returncode == 0


def test_the_commands_of_the_client_import_nothing_of_the_farm() -> None:
    heavy = ["mongoengine", "pymongo", "rq", "rq_scheduler", "redis", "docker", "flask", "pydantic"]
    commands = ["run", "ps", "logs", "stop", "nodes"]
    program = f"""
import importlib, sys
import jobrunner.cli.main
for name in {commands}:
    importlib.import_module("jobrunner.cli." + name)
print(*set({heavy}) & set(sys.modules))
"""
    assert subprocess.check_output([sys.executable, "-c", program]) == b"\n"
