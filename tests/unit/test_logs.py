"""The logs of jobrunner itself: one line an event, for people or machines, on stderr."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import logging
from jobrunner.domain.events import HandedBack, Moved, OutputCut, Trouble
from jobrunner.domain.states import State
from jobrunner.settings import Settings
from jobrunner.telemetry.logs import configure_logs, log_event
configure_logs(Settings(log_format={log_format!r}, log_level={log_level!r}))
log_event(Moved("e1", State.RUNNING, State.FAILED, "node-1", 'exited with "1"'))
log_event(HandedBack("e1", node="node-1"))
log_event(OutputCut("e1", cap_bytes=100))
log_event(Trouble(where="beat", error="Redis does not answer\\nat all"))
logging.getLogger("some.library").warning("a %s line", "library")
logging.getLogger("pymongo.command").info("a command with a password")
"""


def lines_of(log_format: str, log_level: str = "info") -> list[str]:
    program = PROGRAM.format(log_format=log_format, log_level=log_level)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout == ""
    return ended.stderr.splitlines()


def test_machines_get_an_object_a_line_with_the_fields_of_the_event() -> None:
    moved, handed_back, cut, trouble, library = map(json.loads, lines_of("json"))
    assert moved.pop("timestamp").endswith("Z")
    assert moved == {
        "event": "moved",
        "execution_id": "e1",
        "origin": "running",
        "target": "failed",
        "node": "node-1",
        "reason": 'exited with "1"',
        "level": "info",
        "logger": "jobrunner",
    }
    assert (handed_back["event"], handed_back["level"]) == ("handed_back", "info")
    assert (cut["event"], cut["level"], cut["cap_bytes"]) == ("output_cut", "warning", 100)
    assert trouble["error"] == "Redis does not answer\nat all"
    assert "execution_id" not in trouble
    assert (library["event"], library["logger"]) == ("a library line", "some.library")


def test_people_get_a_readable_line_an_event() -> None:
    lines = lines_of("console")
    assert "moved" in lines[0]
    assert "target=failed" in lines[0]
    assert "\x1b" not in "".join(lines)
    assert "password" not in "".join(lines)


@pytest.mark.parametrize(("level", "count"), [("debug", 5), ("info", 5), ("warning", 3), ("error", 0)])
def test_the_level_says_what_is_written(level: str, count: int) -> None:
    assert len(lines_of("json", level)) == count
