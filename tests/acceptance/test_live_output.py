"""A real container's output, followed while it runs, in every way there is."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import requests
from playwright.sync_api import expect

from tests.support.api_server import PATIENCE_SECONDS, all_frames, documents, text_of, web_socket
from tests.support.browser import chromium
from tests.support.farm import Farm
from tests.support.farm_maker import FarmMaker

FLOOD_BYTES = 16_000_000
CLOCK = "while [ $n -lt 10 ]; do cut -d' ' -f1 /proc/uptime; n=$((n+1)); sleep 0.4; done"


def uptime() -> float:
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])


def test_a_line_reaches_a_follower_soon_after_it_was_written(farm: Farm) -> None:
    job = farm.post_job("sh", "-c", f"n=0; {CLOCK}")
    ages = []
    with web_socket(job["executionUrl"]) as socket:
        while len(ages) < 10:
            lines, now = str(socket.recv(timeout=PATIENCE_SECONDS)).split(), uptime()
            ages += [now - float(line) for line in lines]
        assert all_frames(socket) == ([], (1000, "done"))
    assert statistics.median(ages) < 1.0  # 0.3 s on a machine that has nothing else to do


def test_both_streams_and_the_end_come_to_who_waits_from_before_the_start(farm: Farm) -> None:
    job = farm.post_job("sh", "-c", "echo out; echo err >&2; sleep 0.5; printf 'caf\\303\\251'; exit 3")
    with web_socket(job["jobUrl"], format="json") as socket:
        frames, closed = all_frames(socket)
    found = documents(frames)
    assert (text_of(found, "stdout"), text_of(found, "stderr")) == ("out\ncafé", "err\n")
    assert (found[-1]["state"], found[-1]["exitCode"], closed) == ("failed", 3, (1000, "done"))
    events = requests.get(f"{job['jobUrl']}/sse/?tail=1", timeout=PATIENCE_SECONDS).content.decode()
    last = [json.loads(line.removeprefix("data: ")) for line in events.split("\n") if line.startswith("data: ")]
    assert [document.get("text") for document in last] == ["café", None]


def test_the_retries_of_a_job_are_followed_to_the_last(farm: Farm) -> None:
    job = farm.post_job("sh", "-c", "echo try; exit 1", retries=1)
    position, texts, closes = "", [], []
    while not closes or closes[-1] == (1000, "retry"):
        with web_socket(job["jobUrl"], format="json", position=position) as socket:
            frames, closed = all_frames(socket)
        texts.append(text_of(documents(frames)))
        closes.append(closed)
        position = documents(frames)[-1]["position"]
    assert "".join(texts) == "try\ntry\n"
    assert closes[-1] == (1000, "done")


def test_a_flood_reaches_a_follower_whole(farm: Farm) -> None:
    job = farm.post_job("sh", "-c", f"yes 0123456789abcde | head -c {FLOOD_BYTES}")
    with web_socket(job["executionUrl"], format="binary") as socket:
        frames, closed = all_frames(socket)
    content = b"".join(frame for frame in frames if isinstance(frame, bytes))
    assert content == b"0123456789abcde\n" * (FLOOD_BYTES // 16)
    assert closed == (1000, "done")


def test_the_page_shows_a_container_to_its_end_over_a_restart_of_the_api(make_farm: FarmMaker) -> None:
    farm = make_farm()
    farm.start_all("one")
    job = farm.post_job("sh", "-c", "n=0; while [ $n -lt 40 ]; do echo line $n; n=$((n+1)); sleep 0.25; done")
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"{job['jobUrl']}/stream/")
        expect(page.get_by_text("line 3", exact=True)).to_be_visible(timeout=30_000)
        farm.end("api")
        farm.start_api()
        expect(page.locator("#state")).to_have_text("done", timeout=60_000)
        assert page.locator("#output .stdout").all_text_contents() == [f"line {n}" for n in range(40)]
