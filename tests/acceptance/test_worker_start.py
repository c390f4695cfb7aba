"""A worker that is to end before it has begun."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pymongo import MongoClient

from tests.support.farm_maker import FarmMaker

pytestmark = pytest.mark.services

STEPS = [
    "jobrunner.worker.service.read_drain",  # after the first beat
    "jobrunner.worker.service.clear_up",
    "jobrunner.worker.service.serve",
    "jobrunner.worker.slot_worker.SlotWorker.register_birth",  # RQ's loop begins after it
    "jobrunner.worker.slot_worker.SlotWorker.subscribe",
]


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_that_is_told_to_end_while_it_starts_signs_off(
    make_farm: FarmMaker, mongodb_url: str, step: str
) -> None:
    farm = make_farm(node="one")
    command = [sys.executable, "-m", "tests.support.worker_signalled_at_start", step]
    ended = subprocess.run(command, env=dict(farm.environment), capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    with MongoClient(mongodb_url) as client:
        (node,) = client[farm.name]["nodes"].find()
    assert node["stopped_at"] == node["seen_at"]
