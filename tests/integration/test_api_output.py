"""The output of executions over HTTP: every byte, as text, from any offset, with the exit code where it is known."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from jobrunner.domain.states import State
from jobrunner.errors import StoreUnavailable
from tests.support.api_farm import ApiFarm, api_farm, faults_of

EVERY_BYTE = bytes(range(256))


@pytest.fixture
def api(mongodb_url: str) -> Iterator[ApiFarm]:
    with api_farm(mongodb_url) as farm:
        yield farm


def finished(api: ApiFarm, *chunks: tuple[bytes, bytes], exit_code: int = 3) -> str:
    """The URL of an execution that wrote these chunks and ended."""
    posted = api.post("t")
    for stdout, stderr in chunks:
        api.write(posted["executionId"], stdout, stderr)
    api.advance(posted["executionId"], State.PULLING, State.RUNNING, State.FAILED, exit_code=exit_code)
    return str(posted["executionUrl"])


def test_the_bytes_of_each_stream_are_exact(api: ApiFarm) -> None:
    url = finished(api, (EVERY_BYTE, b"\xff\n"), (b"\r\n\x00", b"oops"))
    assert api.client.get(f"{url}/stdout/").data == EVERY_BYTE + b"\r\n\x00"
    assert api.client.get(f"{url}/stderr/").data == b"\xff\noops"


def test_logs_are_both_streams_with_a_line_between(api: ApiFarm) -> None:
    url = finished(api, (b"out", b"err"), (b"put", b"or"))
    assert api.client.get(f"{url}/logs/").data == b"output\n-=-\nerror"
    assert api.client.get(f"{url.partition('/executions/')[0]}/logs/").data == b"output\n-=-\nerror"


def test_output_is_plain_text_with_the_exit_code_in_headers(api: ApiFarm) -> None:
    url = finished(api, (b"out", b""), exit_code=42)
    for name in ("stdout", "stderr", "logs"):
        for answer in (api.client.get(f"{url}/{name}/"), api.client.head(f"{url}/{name}/")):
            assert answer.content_type == "text/plain; charset=utf-8"
            assert answer.headers["Fastlane-Exit-Code"] == "42"
            assert answer.headers["Jobrunner-Exit-Code"] == "42"


def test_while_an_execution_runs_its_output_is_there_and_no_exit_code(api: ApiFarm) -> None:
    posted = api.post("t")
    api.write(posted["executionId"], b"so far")
    answer = api.client.get(posted["executionUrl"] + "/stdout/")
    assert answer.data == b"so far"
    assert "Fastlane-Exit-Code" not in answer.headers


@pytest.mark.parametrize("offset", [0, 1, 255, 256, 257, 511, 512, 513, 10**15])
def test_a_stream_can_be_read_from_any_of_its_bytes_on(api: ApiFarm, offset: int) -> None:
    url = finished(api, (EVERY_BYTE, b"between"), (b"", b"between"), (EVERY_BYTE, b""))
    assert api.client.get(f"{url}/stdout/?offset={offset}").data == (EVERY_BYTE * 2)[offset:]


def test_a_long_output_comes_whole_and_in_order(api: ApiFarm) -> None:
    chunks = [os.urandom(1000) for _ in range(41)]  # more than are fetched at a time
    url = finished(api, *((chunk, chunk[:1]) for chunk in chunks))
    assert api.client.get(f"{url}/stdout/").data == b"".join(chunks)
    assert api.client.get(f"{url}/stderr/").data == b"".join(chunk[:1] for chunk in chunks)


def test_a_store_that_does_not_answer_is_an_error_and_no_empty_output(
    api: ApiFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = finished(api, (b"out", b""))

    def away(*arguments: object, **options: object) -> None:
        raise StoreUnavailable("MongoDB does not answer")

    monkeypatch.setattr(api.farm.store.output, "chunks", away, raising=False)
    answer = api.client.get(f"{url}/stdout/")
    assert answer.status_code == 503
    assert set(faults_of(answer)) == {"mongo"}
