"""Machines whose clocks are wrong make one farm nevertheless: it goes by the clock of its MongoDB."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.clocks import Clocks
from tests.support.farm import wait_until
from tests.support.farm_maker import FarmMaker

pytestmark = pytest.mark.services

HOUR_SECONDS = 3600


def test_clocks_that_are_apart_delay_nothing_and_lose_no_node(make_farm: FarmMaker, tmp_path: Path) -> None:
    farm, clocks = make_farm(node_silent_seconds=5), Clocks(tmp_path)
    farm.environments = {name: clocks.environment(name) for name in ("api", "scheduler", "one")}
    farm.start_all("one")
    clocks.set("api", HOUR_SECONDS)
    clocks.set("one", -HOUR_SECONDS)
    runs_for_longer_than_a_node_may_be_silent = farm.post_job("sleep", "7")
    later = farm.post_job("echo", "later", startIn="1s")
    assert farm.wait_for_end(runs_for_longer_than_a_node_may_be_silent, 90)["status"] == "done"

    def output() -> str:
        return farm.http.get(f"{later['jobUrl']}/stdout/", timeout=10).text

    wait_until(lambda: output() == "later\n", 60, "what was to start in a second has run")
