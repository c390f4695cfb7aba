"""Metrics of a whole farm: they tell how jobs ended, whatever is pruned since and whichever process was restarted."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.support.farm import Farm, wait_until
from tests.support.farm_maker import FarmMaker
from tests.support.metrics import Scrape, read_metrics

pytestmark = pytest.mark.services
SECONDS = 120  # far more than it takes, but on a machine that does much else
ENDED = "jobrunner_executions_ended_total"


@pytest.fixture(scope="module")
def farm(make_farm: FarmMaker) -> Farm:
    farm = make_farm(stop_grace_seconds=1)
    farm.start_all("one")
    return farm


def scrape(farm: Farm) -> Scrape:
    answer = farm.http.get(f"{farm.url}/metrics", timeout=10)
    assert answer.status_code == 200, answer.text
    return read_metrics(answer.text)


def ends(told: Scrape) -> dict[str, float]:
    return {state: count for state, count in told.labelled(ENDED, "state").items() if count}


def again(farm: Farm, accepted: dict[str, Any]) -> dict[str, Any]:
    answer = farm.http.post(f"{accepted['jobUrl'].rstrip('/')}/retry/", timeout=10)
    assert answer.status_code == 200, answer.text
    rerun: dict[str, Any] = answer.json()
    return rerun


def test_how_jobs_ended_stays_told_when_they_are_pruned_and_when_the_api_starts_anew(farm: Farm) -> None:
    done, failed = farm.post_job("true"), farm.post_job("false")
    long = farm.post_job("sleep", "600")
    for accepted in (done, failed):
        farm.wait_for_end(accepted, SECONDS)
    farm.wait_for_status(long, "running", seconds=SECONDS)
    assert scrape(farm).value("jobrunner_executions", state="running") == 1
    farm.wait_for_end(again(farm, done), SECONDS)
    assert farm.http.post(f"{long['executionUrl'].rstrip('/')}/stop/", timeout=10).status_code == 200
    farm.wait_for_end(long, SECONDS)
    expected = {"done": 2, "failed": 1, "stopped": 1}
    before = scrape(farm)
    assert ends(before) == expected
    assert before.value("jobrunner_execution_start_delay_seconds_count") == 4
    wait_until(lambda: prune(farm) == "Deleted 1 executions and 0 outputs", SECONDS, "the first execution is pruned")
    assert ends(scrape(farm)) == expected
    farm.end("api")
    farm.start_api()
    after = scrape(farm)
    assert ends(after) == expected
    of_process = ("jobrunner_http_", "process_")
    went_down = {
        series: (before.samples[series], after.samples.get(series))
        for series in before.counters
        if not series[0].startswith(of_process) and after.samples.get(series, 0) < before.samples[series]
    }
    assert went_down == {}


def test_the_duties_of_the_scheduler_and_of_the_worker_are_told(farm: Farm) -> None:
    def has_run() -> Scrape | None:
        told = scrape(farm)
        runs = told.labelled("jobrunner_duty_runs_total", "duty")
        return told if runs.keys() >= {"requeue", "rescue", "count", "lead", "ring", "prune_files", "reap"} else None

    told = wait_until(has_run, SECONDS, "processes have said what they did")
    assert told.total("jobrunner_duty_runs_total") > told.total("jobrunner_duty_failures_total") == 0
    assert (told.value("jobrunner_duty_last_success_timestamp_seconds", duty="requeue") or 0) > 1_700_000_000
    assert told.value("jobrunner_scheduler_leads") == 1
    assert (told.value("jobrunner_scheduler_lead_age_seconds") or 0) < 10
    assert told.value("jobrunner_node_state", node="one", state="up") == 1
    assert told.labelled("jobrunner_deliveries", "state") == {"owed": 0, "given_up": 0}


def prune(farm: Farm) -> str:
    command = [sys.executable, "-m", "jobrunner", "prune", "--older-than", "1s"]
    done = subprocess.run(command, env=dict(farm.environment), capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()
