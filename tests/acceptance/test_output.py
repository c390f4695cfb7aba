"""The output of real containers: byte for byte, its last lines, what is found in it, where it is cut, what is kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.farm import Farm, wait_until
from tests.support.farm_maker import FarmMaker

pytestmark = pytest.mark.services
SECOND_IN_DAYS = 1 / 86_400


def ended(farm: Farm, script: str, **spec: Any) -> dict[str, Any]:
    """The answer to the post of a job that runs this script, once that is over."""
    accepted = farm.post_job("sh", "-c", script, **spec)
    farm.wait_for_end(accepted)
    return accepted


def get(farm: Farm, accepted: dict[str, Any], path: str) -> Any:
    return farm.http.get(f"{accepted['executionUrl']}/{path}", timeout=30)


def test_binary_output_comes_back_byte_for_byte(farm: Farm) -> None:
    accepted = ended(farm, "head -c 10485761 /dev/urandom | tee /dev/stderr; printf '\\000\\377\\n\\r\\000'")
    stdout, stderr = farm.output(accepted, "stdout"), farm.output(accepted, "stderr")
    assert len(stderr) == 10_485_761
    assert stdout == stderr + b"\x00\xff\n\r\x00"
    assert get(farm, accepted, "stdout/?offset=10000000").content == stdout[10_000_000:]
    head = farm.http.head(f"{accepted['executionUrl']}/stdout/", timeout=10)
    assert (head.status_code, head.content, head.headers["Jobrunner-Exit-Code"]) == (200, b"", "0")


def test_every_byte_there_is_comes_back(farm: Farm) -> None:
    every = "".join(f"\\{byte:03o}" for byte in range(256))
    assert farm.output(ended(farm, f"printf '{every}'"), "stdout") == bytes(range(256))


def test_the_last_lines_and_what_was_written_since(farm: Farm) -> None:
    accepted = farm.post_job("sh", "-c", "seq 1 1000; echo err >&2; sleep 2; echo late; sleep 60")
    wait_until(lambda: b"err" in farm.output(accepted, "stderr"), 30, "the first part is stored")
    between = datetime.now(UTC).timestamp() + 0.5
    assert get(farm, accepted, "stdout/?tail=2").content == b"999\n1000\n"
    with farm.http.get(f"{accepted['executionUrl']}/stdout/?follow=1&tail=1", stream=True, timeout=30) as following:
        lines = following.iter_lines()
        assert [next(lines), next(lines)] == [b"1000", b"late"]
    assert get(farm, accepted, f"logs/?since={between}").content == b"late\n\n-=-\n"
    assert get(farm, accepted, "logs/?tail=1").content == b"late\n\n-=-\nerr\n"
    farm.http.post(f"{accepted['executionUrl']}/stop/", timeout=10)


def test_lines_are_found_in_a_long_output(farm: Farm) -> None:
    accepted = ended(farm, "seq 1 300000; echo 'Needle 77777' >&2")
    first = get(farm, accepted, "search/?query=7777&limit=3").json()
    assert [item["line"] for item in first["items"]] == [7777, 17777, 27777]
    second = farm.http.get(first["nextUrl"], timeout=10).json()
    assert [item["text"] for item in second["items"]] == ["37777", "47777", "57777"]
    found = get(farm, accepted, "search/?query=needle&ignoreCase=1").json()
    assert [(item["stream"], item["line"], item["text"]) for item in found["items"]] == [("stderr", 1, "Needle 77777")]


def test_a_job_may_lower_the_cap_of_its_output(farm: Farm) -> None:
    accepted = ended(farm, "head -c 5000 /dev/zero | tr '\\000' x", outputCapBytes=1000)
    stdout = farm.output(accepted, "stdout")
    assert stdout == 1000 * b"x" + b"\n[jobrunner: output cut here, at the cap of 1000 bytes]\n"
    shown = farm.execution(accepted)
    assert (shown["outputCut"], shown["outputBytes"]) == (True, {"stdout": 1000, "stderr": 0})
    assert get(farm, accepted, "stdout/?tail=1").content == stdout.splitlines(keepends=True)[-1]


def again(farm: Farm, accepted: dict[str, Any]) -> dict[str, Any]:
    """The job once more, to its end."""
    answer = farm.http.post(f"{accepted['jobUrl']}/retry/", timeout=10)
    assert answer.status_code == 200, answer.text
    farm.wait_for_end(answer.json())
    made: dict[str, Any] = answer.json()
    return made


def is_gone(farm: Farm, accepted: dict[str, Any]) -> bool:
    return bool(get(farm, accepted, "").status_code == 404)


def test_a_job_keeps_its_last_executions(farm: Farm) -> None:
    first = ended(farm, "echo hi", retention={"keepLast": 2})
    second, third = again(farm, first), again(farm, first)
    wait_until(lambda: is_gone(farm, first), 30, "the first execution is deleted")
    assert not is_gone(farm, second) and not is_gone(farm, third)
    assert farm.http.get(f"{first['jobUrl']}/", timeout=10).json()["job"]["executionCount"] == 2
    assert farm.output(third, "stdout") == b"hi\n"


def test_a_farm_deletes_output_and_executions_that_it_has_kept_for_long_enough(make_farm: FarmMaker) -> None:
    farm = make_farm(execution_retention_days=8 * SECOND_IN_DAYS, output_retention_days=2 * SECOND_IN_DAYS)
    farm.start_all("one")
    first = ended(farm, "echo hi")
    second = again(farm, first)
    notice = wait_until(
        lambda: [text for text in [farm.output(second, "stdout")] if text != b"hi\n"], 30, "its output is deleted"
    )
    # (Who reads in the instant of its deletion has both.)
    assert notice[0].removeprefix(b"hi\n").startswith(b"[jobrunner: output deleted by retention at ")
    assert farm.execution(second)["outputDeletedAt"] is not None
    wait_until(lambda: is_gone(farm, first), 30, "the first execution is deleted")
    assert farm.execution(second)["status"] == "done"
    for what in ("output", "execution"):
        wait_until(lambda what=what: f'"what": "{what}"' in farm.log("scheduler"), 30, f"it is said of the {what}")
