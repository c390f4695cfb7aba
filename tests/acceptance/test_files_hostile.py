"""Files in and out of containers, as somebody would have them who means harm, or whose machine fails."""

from __future__ import annotations

import io
import os
import socket
import tarfile
import zipfile
from collections.abc import Iterator

import psutil
import pytest
from pymongo import MongoClient

from tests.acceptance.test_files import outputs, shell, upload
from tests.support.farm import Farm, wait_until
from tests.support.farm_maker import FarmMaker

pytestmark = pytest.mark.services

MEBIBYTE = 1024 * 1024
GROWTH_BYTES = 40_000_000
CUT_UPLOADS = {
    "of known length": (b"Content-Length: 20000000", b"x" * 5_000_000),
    "in chunks": (b"Transfer-Encoding: chunked", b"4c4b40\r\n" + b"x" * 5_000_000 + b"\r\n"),
    "in a chunk": (b"Transfer-Encoding: chunked", b"989680\r\n" + b"x" * 5_000_000),
}


def stored(farm: Farm, mongodb_url: str) -> int:
    """How many documents of files the farm has, of any kind."""
    with MongoClient(mongodb_url) as mongo:
        return sum(mongo[farm.name][name].count_documents({}) for name in ("files", "fs.files", "fs.chunks"))


def resident_bytes(farm: Farm, name: str) -> int:
    process = psutil.Process(farm.processes[name].pid)
    return sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))


@pytest.mark.parametrize("how", CUT_UPLOADS)
def test_an_upload_that_is_cut_off_leaves_nothing(make_farm: FarmMaker, mongodb_url: str, how: str) -> None:
    farm = make_farm()
    farm.start_api()
    framing, sent = CUT_UPLOADS[how]
    with socket.create_connection(("127.0.0.1", farm.port), timeout=10) as client:
        client.sendall(b"POST /files/ HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n" + sent)
        wait_until(lambda: stored(farm, mongodb_url) > 1, 30, "a part of it is stored")
    wait_until(lambda: not stored(farm, mongodb_url), 30, "nothing of it is left")
    assert farm.http.get(f"{farm.url}/files/", timeout=10).json()["items"] == []


def test_no_output_leads_out_of_the_folder_of_whoever_unpacks_it(farm: Farm) -> None:
    accepted = shell(
        farm,
        "mkdir /o; cd /o; echo a >a; ln -s /etc/passwd l; ln -s / root; ln -s .. up; mkfifo pipe; mknod null c 1 3;"
        " echo b >..b; echo c >'back\\slash'; echo d >\"$(printf 'new\\nline')\"; echo e >\"$(printf 'bad\\377')\";"
        " ln -s /etc /linked",
        outputs=["/o", "/linked", "/o/root/etc/passwd"],
    )
    assert farm.wait_for_end(accepted)["status"] == "done"
    listed = outputs(farm, accepted)
    names = {item["name"] for item in listed["items"]}
    assert {"o/a", "o/..b"} <= names <= {"o/a", "o/..b", "o/back\\slash", "passwd"}
    assert {"/o/l", "/o/root", "/o/up", "/o/pipe", "/linked"} <= {one["path"] for one in listed["notKept"]}
    content = farm.http.get(f"{accepted['executionUrl']}/outputs.tar", timeout=10).content
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = archive.getmembers()
    assert {member.name for member in members} == names
    assert all(member.isfile() for member in members)
    content = farm.http.get(f"{accepted['executionUrl']}/outputs.zip", timeout=10).content
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        assert set(zipped.namelist()) == names
    for name in ("../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "o/l", "o/%00", "o/../o/a", "/etc/passwd"):
        answer = farm.http.get(f"{accepted['executionUrl']}/outputs/{name}", timeout=10)
        assert answer.status_code in (200, 404)
        assert b"root:" not in answer.content


@pytest.mark.parametrize("path", ["relative", "/", "/a/../b", "/a/./b", "/a\nb", "/" + "x" * 2000, "", 7])
def test_a_path_that_is_none_is_refused(farm: Farm, path: object) -> None:
    file = upload(farm, b"x")["fileId"]
    for key, value in (("inputs", [{"file": file, "path": path}]), ("outputs", [path]), ("result", path)):
        answer = farm.http.post(f"{farm.url}/tasks/t/", json={"image": farm.image, key: value}, timeout=10)
        assert answer.status_code == 400, (key, answer.text)
        assert answer.json()["errors"][0]["field"].startswith(key)


@pytest.mark.parametrize("path", ["/proc/x", "/sys/x", "/dev/x", "/bin/busybox/x", "/etc/hosts", "/bin"])
def test_an_input_where_none_can_be_ends_the_execution_in_words(farm: Farm, path: str) -> None:
    accepted = shell(farm, "true", inputs=[{"file": upload(farm, b"x")["fileId"], "path": path}])
    execution = farm.wait_for_end(accepted)
    assert execution["status"] == "done" or (execution["status"] == "failed" and execution["error"]), execution


def test_a_name_of_an_upload_is_no_header_and_no_path(farm: Farm) -> None:
    file = upload(farm, b"x", name='../../etc/"passwd";x=ü')
    disposition = farm.http.get(file["url"], timeout=10).headers["Content-Disposition"]
    assert disposition.startswith("attachment;")
    refused = farm.http.post(f"{farm.url}/files/", params={"name": "a\r\nX-Evil: 1"}, data=b"x", timeout=10)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "name")


def test_large_files_go_in_and_out_in_little_memory(make_farm: FarmMaker) -> None:
    farm = make_farm()
    farm.start_all("one")
    farm.wait_for_end(shell(farm, "cp /in /out", inputs=[{"file": upload(farm, b"warm")["fileId"], "path": "/in"}]))
    before = {name: resident_bytes(farm, name) for name in ("api", "one")}
    piece = os.urandom(MEBIBYTE)

    def pieces() -> Iterator[bytes]:
        yield from (piece for _ in range(40))

    uploaded = farm.http.post(f"{farm.url}/files/", data=pieces(), timeout=60).json()
    inputs = [{"file": uploaded["fileId"], "path": "/in"}]
    accepted = shell(farm, "mkdir /o; cp /in /o/in; cp /in /o/again", inputs=inputs, outputs=["/o"])
    assert farm.wait_for_end(accepted, seconds=90)["outputs"]["size"] == 80 * MEBIBYTE
    for form in ("tar.gz", "zip"):
        with farm.http.get(f"{accepted['executionUrl']}/outputs.{form}", stream=True, timeout=60) as answer:
            assert sum(len(got) for got in answer.iter_content(MEBIBYTE)) > 80 * MEBIBYTE
    for name, was in before.items():
        assert resident_bytes(farm, name) - was < GROWTH_BYTES, name


def test_a_file_that_is_all_hole_is_cut_at_the_limit(make_farm: FarmMaker) -> None:
    farm = make_farm(outputs_max_bytes=5_000_000)
    farm.start_all("one")
    accepted = shell(farm, "mkdir /o; truncate -s 200G /o/hole; echo x >/o/z", outputs=["/o"])
    execution = farm.wait_for_end(accepted, seconds=60)
    assert (execution["status"], execution["outputs"]["complete"]) == ("done", False)
    assert execution["outputs"]["size"] == 5_000_000
