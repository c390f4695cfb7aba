"""Files in and out, through HTTP: uploads, inputs, outputs, results."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import tarfile
import time
import zipfile
from typing import Any
from uuid import uuid4

import psutil
import pytest
from pymongo import MongoClient

from tests.support.containers import container_ids
from tests.support.farm import Farm, wait_until
from tests.support.farm_maker import FarmMaker

pytestmark = pytest.mark.services

LARGE = os.urandom(1_000_003)


def upload(farm: Farm, content: bytes, **query: str) -> dict[str, Any]:
    answer = farm.http.post(f"{farm.url}/files/", data=content, params=query, timeout=30)
    assert answer.status_code == 200, answer.text
    file: dict[str, Any] = answer.json()
    return file


def outputs(farm: Farm, accepted: dict[str, Any]) -> dict[str, Any]:
    answer = farm.http.get(f"{accepted['executionUrl']}/outputs/", timeout=10)
    assert answer.status_code == 200, answer.text
    listed: dict[str, Any] = answer.json()
    return listed


def output_names(farm: Farm, accepted: dict[str, Any]) -> list[str]:
    return sorted(item["name"] for item in outputs(farm, accepted)["items"])


def shell(farm: Farm, line: str, **spec: Any) -> dict[str, Any]:
    return farm.post_job("sh", "-c", line, **spec)


def test_what_is_uploaded_is_in_the_container_and_what_it_makes_of_it_comes_back(farm: Farm) -> None:
    file = upload(farm, LARGE, name="in.bin")
    assert (file["size"], file["sha256"]) == (len(LARGE), hashlib.sha256(LARGE).hexdigest())
    accepted = shell(
        farm,
        "mkdir -p /job/out/deep; sha256sum /job/in.bin; /job/run.sh; cp /job/in.bin /job/out/deep/copy",
        inputs=[
            {"file": file["fileId"], "path": "/job/in.bin"},
            {
                "file": upload(farm, b"#!/bin/sh\necho ran >/job/note\n")["fileId"],
                "path": "/job/run.sh",
                "mode": "755",
            },
        ],
        outputs=["/job/out", {"path": "/job/note", "name": "note.txt"}],
    )
    execution = farm.wait_for_end(accepted)
    assert execution["status"] == "done", execution
    assert farm.output(accepted, "stdout").split()[0] == file["sha256"].encode()
    assert execution["outputs"] == {
        "count": 2,
        "size": len(LARGE) + 4,
        "complete": True,
        "url": f"{accepted['executionUrl']}/outputs",
    }
    listed = {item["name"]: item for item in outputs(farm, accepted)["items"]}
    copy = listed["out/deep/copy"]
    assert (copy["size"], copy["sha256"], copy["complete"]) == (len(LARGE), file["sha256"], True)
    assert farm.http.get(copy["url"], timeout=10).content == LARGE
    assert farm.http.get(listed["note.txt"]["url"], timeout=10).content == b"ran\n"


def test_all_outputs_come_as_one_archive(farm: Farm) -> None:
    accepted = shell(farm, "mkdir /o; echo a >/o/a; head -c 300000 /dev/zero >/o/b; : >/o/ä", outputs=["/o"])
    farm.wait_for_end(accepted)
    expected = {"o/a": b"a\n", "o/b": bytes(300_000), "o/ä": b""}
    for form in ("tar", "tar.gz"):
        content = farm.http.get(f"{accepted['executionUrl']}/outputs.{form}", timeout=10).content
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            found = {member.name: archive.extractfile(member) for member in archive}
            assert {name: file and file.read() for name, file in found.items()} == expected
    content = farm.http.get(f"{accepted['executionUrl']}/outputs.zip", timeout=10).content
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        assert zipped.testzip() is None
        assert {name: zipped.read(name) for name in zipped.namelist()} == expected


@pytest.mark.parametrize(
    ("line", "spec", "status"),
    [
        ("echo x >/o; exit 3", {}, "failed"),
        ("echo x >/o; sleep 60", {"timeout": 1, "stopGrace": 0}, "timedout"),
    ],
)
def test_outputs_are_kept_also_when_it_failed(farm: Farm, line: str, spec: dict[str, Any], status: str) -> None:
    accepted = shell(farm, line, outputs=["/o", "/nothing"], **spec)
    execution = farm.wait_for_end(accepted)
    assert (execution["status"], execution["outputs"]["complete"]) == (status, False)
    listed = outputs(farm, accepted)
    assert [item["name"] for item in listed["items"]] == ["o"]
    assert listed["notKept"] == [{"path": "/nothing", "reason": "is not there"}]


def test_outputs_are_kept_also_when_it_was_stopped(farm: Farm) -> None:
    accepted = shell(farm, "echo x >/o; echo up; sleep 60", outputs=["/o"], stopGrace=0)
    wait_until(lambda: farm.output(accepted, "stdout"), 30, "it has written its file")
    farm.http.post(f"{accepted['executionUrl']}/stop/", timeout=10)
    assert farm.wait_for_end(accepted)["status"] == "stopped"
    assert output_names(farm, accepted) == ["o"]


def test_a_required_output_that_is_missing_is_a_failure(farm: Farm) -> None:
    accepted = shell(farm, "true", outputs=[{"path": "/nothing", "required": True}])
    execution = farm.wait_for_end(accepted)
    assert (execution["status"], execution["cause"], execution["exitCode"]) == ("failed", "output_missing", 0)
    assert execution["error"] == "its required output /nothing is not there"


def test_links_are_not_followed_and_are_told(farm: Farm) -> None:
    accepted = shell(farm, "mkdir /o; ln -s /etc/passwd /o/link; ln -s ../../x /o/up; echo a >/o/a", outputs=["/o"])
    farm.wait_for_end(accepted)
    assert output_names(farm, accepted) == ["o/a"]
    assert {one["path"] for one in outputs(farm, accepted)["notKept"]} == {"/o/link", "/o/up"}


def test_a_result_is_on_the_execution(farm: Farm) -> None:
    result = {"accuracy": 0.93, "labels": ["ä", None]}
    accepted = shell(farm, f"echo '{json.dumps(result)}' > $JOBRUNNER_RESULT_PATH; exit 4", result=True)
    execution = farm.wait_for_end(accepted)
    assert (execution["status"], execution["result"], execution["resultError"]) == ("failed", result, None)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("true", "is not there"),
        ("echo '{' >$JOBRUNNER_RESULT_PATH", "is no JSON"),
        ("head -c 65537 /dev/zero >$JOBRUNNER_RESULT_PATH", "has 65537 bytes"),
        ("mkdir $JOBRUNNER_RESULT_PATH", "is a directory"),
    ],
)
def test_what_is_no_result_is_told_and_is_no_failure(farm: Farm, line: str, reason: str) -> None:
    accepted = shell(farm, line, result="/result.json")
    execution = farm.wait_for_end(accepted)
    assert (execution["status"], execution["result"]) == ("done", None)
    assert f"/result.json {reason}" in execution["resultError"]


def test_a_file_that_a_waiting_execution_needs_cannot_be_deleted(farm: Farm) -> None:
    file = upload(farm, b"x")
    accepted = farm.post_job("true", startIn="1h", inputs=[{"file": file["fileId"], "path": "/x"}])
    refused = farm.http.delete(file["url"], timeout=10)
    assert refused.status_code == 409
    assert refused.json()["errors"][0]["field"] == "fileId"
    farm.http.post(f"{accepted['jobUrl']}/stop/", timeout=10)
    assert farm.http.delete(file["url"], timeout=10).status_code == 200
    assert farm.http.get(file["url"], timeout=10).status_code == 404


def test_a_file_that_was_lost_meanwhile_fails_the_execution_in_words(farm: Farm, mongodb_url: str) -> None:
    file = upload(farm, b"x")
    accepted = farm.post_job("true", startIn="2s", inputs=[{"file": file["fileId"], "path": "/x"}])
    with MongoClient(mongodb_url) as mongo:
        mongo[farm.name]["files"].delete_one({"_id": file["fileId"]})
    wait_until(
        lambda: (
            farm.http.get(f"{farm.url}/tasks/test/jobs/{accepted['jobId']}/", timeout=10).json()["job"]["executions"][
                0
            ]["status"]
            == "failed"
        ),
        20,
        "it has failed",
    )
    execution = farm.http.get(f"{accepted['jobUrl']}/", timeout=10).json()["job"]["executions"][0]
    assert execution["cause"] == "input_missing"
    assert file["fileId"] in execution["error"]


# --------------------------------------------------------------------------------------------------------- limits


def test_what_is_beyond_the_limits_is_cut_and_told(make_farm: FarmMaker) -> None:
    farm = make_farm(outputs_max_bytes=100_000, outputs_max_files=3)
    farm.start_all("one")
    big = shell(farm, "mkdir /o; head -c 300000 /dev/zero >/o/big", outputs=["/o"])
    execution = farm.wait_for_end(big)
    assert (execution["status"], execution["outputs"]["complete"]) == ("done", False)
    (item,) = outputs(farm, big)["items"]
    assert (item["size"], item["complete"]) == (100_000, False)
    assert "more than the 100000 bytes" in outputs(farm, big)["notKept"][0]["reason"]
    many = shell(farm, "mkdir /o; for i in 1 2 3 4 5; do echo $i >/o/$i; done", outputs=["/o"])
    farm.wait_for_end(many)
    assert outputs(farm, many)["count"] == 3
    assert "more than the 3 files" in outputs(farm, many)["notKept"][0]["reason"]


def test_a_worker_that_is_killed_while_it_stores_leaves_nothing_twice(make_farm: FarmMaker, mongodb_url: str) -> None:
    farm = make_farm()
    farm.start_all("one")
    line = "mkdir /o; for i in 1 2 3; do head -c 60000000 /dev/urandom >/o/$i; done; cd /o; sha256sum *"
    accepted = shell(farm, line, outputs=["/o"])
    with MongoClient(mongodb_url) as mongo:
        stored = mongo[farm.name]["fs.files"]
        wait_until(lambda: stored.count_documents({}), 60, "a first output is stored")
        farm.end("one", signal.SIGKILL)
        assert farm.execution(accepted)["status"] == "running"
        farm.start_worker("one")
        execution = farm.wait_for_end(accepted, seconds=60)
        assert execution["status"] == "done"
        listed = {item["name"]: item["sha256"] for item in outputs(farm, accepted)["items"]}
        digests = [reversed(line.split()) for line in farm.output(accepted, "stdout").decode().splitlines()]
        assert listed == {f"o/{name}": digest for name, digest in digests}
        assert stored.count_documents({}) == 3
        chunks = mongo[farm.name]["fs.chunks"]
        assert len(chunks.distinct("files_id")) == 3
    wait_until(lambda: not container_ids(farm), 30, "its container is removed")


# -------------------------------------------------------------------------------------------------------- uploads


def test_an_upload_can_be_chunked_named_checked_and_read_in_parts(farm: Farm) -> None:
    sha256 = hashlib.sha256(LARGE).hexdigest()
    pieces = (LARGE[at : at + 70_000] for at in range(0, len(LARGE), 70_000))
    answer = farm.http.post(f"{farm.url}/files/?name=data.bin&sha256={sha256}", data=pieces, timeout=30)
    assert answer.status_code == 200, answer.text
    file = answer.json()
    part = farm.http.get(file["url"], headers={"Range": "bytes=500000-500099"}, timeout=10)
    assert (part.status_code, part.content) == (206, LARGE[500_000:500_100])
    assert part.headers["Content-Range"] == f"bytes 500000-500099/{len(LARGE)}"
    head = farm.http.head(file["url"], timeout=10)
    assert (head.headers["Content-Length"], head.content) == (str(len(LARGE)), b"")
    assert "filename=data.bin" in head.headers["Content-Disposition"]
    assert farm.http.get(file["url"], headers={"Range": "bytes=99999999-"}, timeout=10).status_code == 416


def test_an_upload_that_is_repeated_under_its_id_is_there_once(farm: Farm) -> None:
    file_id, sha256 = str(uuid4()), hashlib.sha256(b"abc").hexdigest()
    url = f"{farm.url}/files/{file_id}/"
    for _ in range(2):
        assert farm.http.put(url, data=b"abc", params={"sha256": sha256}, timeout=10).status_code == 200
    assert farm.http.put(url, data=b"other", timeout=10).status_code == 409
    assert farm.http.get(url, timeout=10).content == b"abc"


def test_an_upload_of_something_else_than_was_said_leaves_nothing(farm: Farm, mongodb_url: str) -> None:
    file_id = str(uuid4())
    refused = farm.http.put(f"{farm.url}/files/{file_id}/", data=LARGE, params={"sha256": "0" * 64}, timeout=10)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "sha256")
    with MongoClient(mongodb_url) as mongo:
        assert mongo[farm.name]["files"].find_one({"_id": file_id}) is None
        assert mongo[farm.name]["fs.chunks"].find_one({"files_id": file_id}) is None


def test_an_upload_above_the_limit_is_refused_and_leaves_nothing(make_farm: FarmMaker, mongodb_url: str) -> None:
    farm = make_farm(file_max_bytes=1_000_000)
    farm.start_api()
    for content in (LARGE, iter([LARGE])):
        refused = farm.http.post(f"{farm.url}/files/", data=content, timeout=10)
        assert refused.status_code == 413, refused.text
    with MongoClient(mongodb_url) as mongo:
        assert mongo[farm.name]["fs.chunks"].count_documents({}) == 0
    assert farm.http.get(f"{farm.url}/files/", timeout=10).json()["items"] == []


def test_a_refusal_reaches_a_client_that_still_sends(farm: Farm) -> None:
    refused = farm.http.put(f"{farm.url}/files/no-uuid/", data=bytes(30_000_000), timeout=20)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "fileId")


def test_a_large_upload_is_never_whole_in_the_memory_of_the_api(make_farm: FarmMaker) -> None:
    farm = make_farm()
    farm.start_api()
    upload(farm, b"warm")
    api = psutil.Process(farm.processes["api"].pid)
    everyone = [api, *api.children(recursive=True)]
    before = sum(process.memory_info().rss for process in everyone)
    began, count = time.monotonic(), 150
    answer = farm.http.post(f"{farm.url}/files/", data=(bytes(1_000_000) for _ in range(count)), timeout=60)
    assert answer.json()["size"] == count * 1_000_000
    print(f"{count / (time.monotonic() - began):.0f} MB/s")
    grown = sum(process.memory_info().rss for process in everyone) - before
    assert grown < 40_000_000


def test_an_input_that_is_no_file_is_refused_by_its_place(farm: Farm) -> None:
    file = upload(farm, b"x")
    inputs = [{"file": file["fileId"], "path": "/a"}, {"file": str(uuid4()), "path": "/b"}]
    answer = farm.http.post(f"{farm.url}/tasks/t/", json={"image": farm.image, "inputs": inputs}, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"field": "inputs.1.file", "reason": "is not the id of an uploaded file"}]
