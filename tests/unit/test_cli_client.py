"""The Python client, and the follower of one stream, against an API that does what the test scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobrunner.cli.answers import ExecutionRef
from jobrunner.cli.client import ApiRefused, ApiUnavailable, ApiUnreachable, Client, UnexpectedAnswer
from jobrunner.cli.follow import Follower, Patience
from jobrunner.domain.states import State
from jobrunner.errors import InvalidRequest, SettingsError
from tests.support.cli import unused_url
from tests.support.fake_api import FakeApi, FakeExecution


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        yield fake


@pytest.fixture
def execution(api: FakeApi) -> FakeExecution:
    return api.add(spec={"image": "image", "command": ["sh", "-c", "echo hi"]})


def ref_of(execution: FakeExecution) -> ExecutionRef:
    return ExecutionRef(execution.task_id, execution.job_id, execution.id)


def impatient_follower(client: Client, ref: ExecutionRef, copied: bytearray) -> Follower:
    return Follower(client, ref, "stdout", copied.extend, Patience(seconds=0.2))


def test_an_execution_is_read_as_a_value(api: FakeApi, execution: FakeExecution) -> None:
    execution.finish("failed", 3, "exit_code", "exited with code 3")

    read = Client(api.url).execution(ref_of(execution))

    assert (read.status, read.exit_code, read.reason) == (State.FAILED, 3, "exited with code 3")
    assert read.command == "sh -c 'echo hi'"
    assert read.created_at is not None
    assert read.created_at.isoformat() == "2026-01-02T03:04:05.678000+00:00"


def test_an_execution_is_found_by_its_id_whatever_host_the_api_calls_itself(
    api: FakeApi, execution: FakeExecution
) -> None:
    assert Client(api.url).find(execution.id) == ref_of(execution)


def test_an_id_that_is_no_uuid_is_not_asked_for(api: FakeApi) -> None:
    with pytest.raises(InvalidRequest):
        Client(api.url).find("../nodes")

    assert api.requests == []


def test_lists_are_read_page_by_page_as_far_as_needed(api: FakeApi) -> None:
    made = [api.add().id for _ in range(5)]
    client = Client(api.url)

    assert [e.execution_id for e in client.executions()] == made[::-1]
    assert len(api.requests) == 3
    assert next(client.executions()).execution_id == made[-1]
    assert len(api.requests) == 4


def test_a_read_is_tried_again_and_a_write_is_not(api: FakeApi, execution: FakeExecution) -> None:
    unavailable = (503, {"error": "mongo does not answer"})
    api.answers[f"GET {execution.path}"] = [unavailable]
    api.answers["POST /tasks/run/"] = [unavailable]
    client = Client(api.url)

    assert client.execution(ref_of(execution)).status is State.RUNNING
    with pytest.raises(ApiUnavailable, match="mongo does not answer"):
        client.submit("run", {"image": "image"})
    assert len(api.asked("POST", "/")) == 1


def test_a_follower_gives_up_when_the_api_stays_away() -> None:
    with pytest.raises(ApiUnreachable, match="connection refused"):
        impatient_follower(Client(unused_url()), ExecutionRef("t", "j", "e"), bytearray()).follow()


def test_a_follower_gives_up_at_once_where_there_is_nothing_to_follow(api: FakeApi) -> None:
    with pytest.raises(ApiRefused, match="there is no 'e'"):
        impatient_follower(Client(api.url), ExecutionRef("t", "j", "e"), bytearray()).follow()

    assert len(api.requests) == 1


def test_a_follower_gives_up_where_the_output_of_an_ended_execution_cannot_be_had(
    api: FakeApi, execution: FakeExecution
) -> None:
    api.answers[f"GET {execution.path}stdout/"] = [(500, {"error": "broken"})] * 1000
    execution.finish()

    with pytest.raises(ApiUnavailable, match="broken"):
        impatient_follower(Client(api.url), ref_of(execution), bytearray()).follow()


def test_a_follower_stays_with_a_silent_execution_while_the_api_answers(api: FakeApi, execution: FakeExecution) -> None:
    execution.cut("stdout", *[0] * 5)
    execution.finish_when_asked(6, b"at last")
    copied = bytearray()
    patience = Patience(seconds=0.3)  # shorter than the pauses between five connections that break

    Follower(Client(api.url), ref_of(execution), "stdout", copied.extend, patience).follow()

    assert copied == b"at last"


def test_output_is_read_from_an_offset(api: FakeApi, execution: FakeExecution) -> None:
    execution.write("stderr", b"0123456789")

    assert b"".join(Client(api.url).output(ref_of(execution), "stderr", offset=7)) == b"789"


@pytest.mark.parametrize("answer", [[], {}, {"execution": {"executionId": "x", "status": "unheard of"}}, None])
def test_what_no_jobrunner_would_answer_is_said_to_be_that(
    api: FakeApi, execution: FakeExecution, answer: object
) -> None:
    api.answers[f"GET {execution.path}"] = [(200, answer)]

    with pytest.raises(UnexpectedAnswer, match="does not answer as a jobrunner API does"):
        Client(api.url).execution(ref_of(execution))


@pytest.mark.parametrize("url", ["", "farm:10000", "ftp://farm", "http://", "http://farm:port", "http://farm?x=1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="address"):
        Client(url)


def test_an_address_with_a_password_is_refused_without_showing_it() -> None:
    with pytest.raises(SettingsError) as caught:
        Client("http://user:hunter2@farm")

    assert "hunter2" not in str(caught.value)


def test_the_api_key_is_sent_and_never_shown(
    api: FakeApi, execution: FakeExecution, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client = Client(api.url.replace("127.0.0.1", "localhost"), api_key="hunter2")

    client.execution(ref_of(execution))

    assert api.headers[-1]["Authorization"] == "Bearer hunter2"
    assert "hunter2" not in repr(client)


def test_an_api_key_that_cannot_be_sent_is_refused_without_showing_it() -> None:
    with pytest.raises(SettingsError, match="JOBRUNNER_API_KEY") as caught:
        Client(api_key="hunter2\n")

    assert "hunter2" not in str(caught.value)
