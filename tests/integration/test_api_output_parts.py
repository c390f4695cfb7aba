"""Parts of an output over HTTP: its last lines, what was written since, what was found; and what was deleted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from jobrunner.domain.ports.output_store import Chunk, Fragment, Stream
from jobrunner.domain.states import State
from jobrunner.engine.forget import forget_output
from tests.support.api_farm import BASE, ApiFarm, api_farm, faults_of

LINES = b"".join(b"line %d\n" % number for number in range(1, 101))


@pytest.fixture
def api(mongodb_url: str) -> Iterator[ApiFarm]:
    with api_farm(mongodb_url) as farm:
        yield farm


def finished(api: ApiFarm, *chunks: tuple[bytes, bytes]) -> str:
    """The URL of an execution that wrote these chunks, a second each, and ended."""
    posted = api.post("t")
    execution_id = posted["executionId"]
    api.advance(execution_id, State.PULLING)
    started_at = api.farm.clock.now() - timedelta(hours=1)
    api.advance(execution_id, State.RUNNING, started_at=started_at)
    cursor = dict.fromkeys(Stream, 0)
    for number, written in enumerate(chunks):
        parts = tuple(Fragment(stream, content) for stream, content in zip(Stream, written, strict=True) if content)
        cursor = {stream: cursor[stream] + len(content) for stream, content in zip(Stream, written, strict=True)}
        stored_at = started_at + timedelta(seconds=number + 1)
        api.farm.store.output.append(Chunk(execution_id, number, parts, cursor, "w", stored_at=stored_at))
    api.advance(execution_id, State.DONE, exit_code=0)
    return str(posted["executionUrl"])


def execution_of(api: ApiFarm, url: str) -> Any:
    return api.execution(url.rpartition("/")[2])


# --------------------------------------------------------------------------------------------- tail, since, offset


@pytest.mark.parametrize("lines", [0, 1, 2, 99, 100, 101, 1_000_000])
def test_the_last_lines_of_a_stream_are_shown(api: ApiFarm, lines: int) -> None:
    url = finished(api, (LINES[:300], b"e"), (LINES[300:], b"f"))
    wanted = b"".join(LINES.splitlines(keepends=True)[-lines:]) if lines else b""
    answer = api.client.get(f"{url}/stdout/?tail={lines}")
    assert answer.data == wanted
    assert answer.headers["Jobrunner-Output-Offset"] == str(len(LINES) - len(wanted))
    head = api.client.head(f"{url}/stdout/?tail={lines}")
    assert (head.data, head.headers["Jobrunner-Output-Offset"]) == (b"", str(len(LINES) - len(wanted)))


def test_logs_show_the_last_lines_of_each_stream(api: ApiFarm) -> None:
    url = finished(api, (b"1\n2\n3\n", b"a\nb"))
    job_url = url.partition("/executions/")[0]
    for shown in (url, job_url):
        assert api.client.get(f"{shown}/logs/?tail=1").data == b"3\n\n-=-\nb"


def test_what_was_written_since_an_instant_is_shown(api: ApiFarm) -> None:
    url = finished(api, (b"one ", b"a"), (b"two ", b""), (b"three", b"b"))
    started_at: datetime = execution_of(api, url).started_at
    second = started_at + timedelta(seconds=2)
    for since in (second.timestamp(), second.strftime("%Y-%m-%dT%H:%M:%S.%fZ")):
        assert api.client.get(f"{url}/stdout/?since={since}").data == b"two three"
        assert api.client.get(f"{url}/logs/?since={since}").data == b"two three\n-=-\nb"
        assert api.client.get(f"{url}/logs/?since={since}&tail=0").data == b"\n-=-\n"
    assert api.client.get(f"{url}/stdout/?since=1").data == b"one two three"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("tail=-1", "tail"),
        ("tail=1000001", "tail"),
        ("tail=", "tail"),
        ("tail=x", "tail"),
        ("since=yesterday", "since"),
        ("offset=1&tail=1", "offset"),
        ("offset=0&since=1", "offset"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(api: ApiFarm, query: str, field: str) -> None:
    url = finished(api, (b"x", b""))
    answer = api.client.get(f"{url}/stdout/?{query}")
    assert answer.status_code == 400
    assert set(faults_of(answer)) == {field}


# ---------------------------------------------------------------------------------------------------- byte for byte


def test_ten_megabytes_of_random_bytes_come_back_byte_for_byte(api: ApiFarm) -> None:
    content = os.urandom(10 * 1024**2) + bytes(range(256)) + b"\0\0no newline"
    size = 256 * 1024
    url = finished(api, *((content[at : at + size], b"\0") for at in range(0, len(content), size)))
    assert api.client.get(f"{url}/stdout/").data == content
    assert api.client.get(f"{url}/stdout/?offset=9999999").data == content[9_999_999:]
    assert api.client.get(f"{url}/stderr/").data == b"\0" * 41
    head = api.client.head(f"{url}/stdout/")
    assert (head.status_code, head.data) == (200, b"")


# --------------------------------------------------------------------------------------------------------- search


def test_lines_are_found_a_page_at_a_time(api: ApiFarm) -> None:
    url = finished(api, (LINES[:300], b""), (LINES[300:], b"LINE 7"))
    found, next_url = [], f"{url}/search/?query=ne%207&ignoreCase=1&limit=5"
    while next_url:
        answer = api.client.get(next_url.removeprefix(BASE))
        assert answer.status_code == 200, answer.text
        found += answer.json["items"]
        next_url = answer.json["nextUrl"]
        assert answer.json["hasNext"] is bool(next_url)
    assert [(item["stream"], item["line"]) for item in found] == [
        *(("stdout", number) for number in (7, *range(70, 80))),
        ("stderr", 1),
    ]
    assert found[0] == {"stream": "stdout", "line": 7, "offset": 42, "text": "line 7", "truncated": False}
    of_job = api.client.get(f"{url.partition('/executions/')[0]}/search/?query=line&stream=stderr").json
    assert of_job["items"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "query"),
        ("query=", "query"),
        ("query=a%0Ab", "query"),
        ("query=" + 257 * "x", "query"),
        ("query=x&stream=both", "stream"),
        ("query=x&ignoreCase=maybe", "ignoreCase"),
        ("query=x&regex=1", "regex"),
        ("query=x&limit=0", "limit"),
        ("query=x&after=12", "after"),
        ("query=x&stream=stdout&after=stderr.0.1.0.0", "after"),
    ],
)
def test_a_search_that_cannot_be_is_refused_by_its_name(api: ApiFarm, query: str, field: str) -> None:
    url = finished(api, (b"x", b""))
    answer = api.client.get(f"{url}/search/?{query}")
    assert answer.status_code == 400
    assert set(faults_of(answer)) == {field}


# ---------------------------------------------------------------------------------------- what is said of an output


def test_an_execution_says_how_much_it_wrote_and_whether_that_was_cut(api: ApiFarm) -> None:
    url = finished(api, (b"abc", b"d"))
    shown = api.client.get(f"{url}/").json["execution"]
    assert shown["outputBytes"] == {"stdout": 3, "stderr": 1}
    assert (shown["outputCut"], shown["outputDeletedAt"]) == (False, None)
    last = api.farm.store.output.last(execution_of(api, url).id)
    assert last is not None
    api.farm.store.output.append(replace(last, sequence=last.sequence + 1, cut=True))
    assert api.client.get(f"{url}/").json["execution"]["outputCut"] is True
    posted = api.post("t")
    assert api.client.get(f"{posted['executionUrl']}/").json["execution"]["outputBytes"] == {"stdout": 0, "stderr": 0}


def test_in_the_place_of_deleted_output_a_line_says_so(api: ApiFarm) -> None:
    url = finished(api, (b"abc", b"d"))
    pruned = forget_output(api.farm, execution_of(api, url))
    assert pruned.output_deleted_at is not None
    notice = f"[jobrunner: output deleted by retention at {pruned.output_deleted_at:%Y-%m-%dT%H:%M:%SZ}]\n".encode()
    for name in ("stdout/", "stderr/", "logs/", "stdout/?follow=1", "stdout/?offset=2", "logs/?tail=3"):
        assert api.client.get(f"{url}/{name}").data == notice
    assert api.client.get(f"{url}/stdout/?tail=0").data == b""
    assert api.client.get(f"{url}/stdout/").headers["Jobrunner-Exit-Code"] == "0"
    shown = api.client.get(f"{url}/").json["execution"]
    assert shown["outputDeletedAt"] is not None
    assert (shown["outputBytes"], shown["outputCut"], shown["log"]) == (None, None, "")
    found = api.client.get(f"{url}/search/?query=a").json
    assert (found["items"], found["hasNext"]) == ([], False)
    assert found["outputDeletedAt"] == shown["outputDeletedAt"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"outputCapBytes": 0}, "outputCapBytes"),
        ({"outputCapBytes": "1k"}, "outputCapBytes"),
        ({"retention": {"keepLast": 0}}, "retention.keepLast"),
        ({"retention": {"keepSeconds": 1.5}}, "retention.keepSeconds"),
        ({"retention": {"days": 1}}, "retention.days"),
        ({"retention": 7}, "retention"),
    ],
)
def test_a_cap_or_a_retention_that_cannot_be_is_refused_by_its_key(
    api: ApiFarm, spec: dict[str, Any], field: str
) -> None:
    answer = api.client.post("/tasks/t/", json={"image": "a"} | spec)
    assert answer.status_code == 400
    assert set(faults_of(answer)) == {field}
