"""Do faults to a farm under load, and judge what came of it: python -m tests.chaos [--minutes N] [--seed S]."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.chaos.checker import violations
from tests.chaos.enclosure import enclosed
from tests.chaos.faults import patterns
from tests.chaos.plan import make_plan
from tests.chaos.records import as_json
from tests.chaos.run import Course, run_chaos
from tests.chaos.soak import Soak, trends
from tests.chaos.table import table


def main() -> int:
    """Print a table; exit code 1 where a promise was not kept."""
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, metavar="N", help="how long faults are done (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the plan and the load (%(default)s)")
    parser.add_argument("--jobs-per-second", type=float, default=1.5, metavar="R", help="%(default)s")
    parser.add_argument("--only", action="append", metavar="KIND", help="only faults whose names have this in them")
    parser.add_argument(
        "--shared-engine", action="store_true", help="use the machine's Engine, and spare it; else two that are started"
    )
    parser.add_argument("--replicas", action="store_true", help="MongoDB is a replica set of three, and fails over")
    parser.add_argument("--soak", type=float, metavar="HOURS", help="no faults, for so long: what grows?")
    parser.add_argument("--plan", action="store_true", help="print the plan, and do nothing")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where logs and the record stay afterwards")
    arguments = parser.parse_args()
    possible = patterns(own_engines=not arguments.shared_engine)
    chosen = [p for p in possible if not arguments.only or any(only in p.kind for only in arguments.only)]
    seconds = 60 * arguments.minutes if arguments.soak is None else 3600 * arguments.soak
    plan = make_plan(arguments.seed, seconds, chosen) if arguments.soak is None else []
    if arguments.plan:
        print(*plan, sep="\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="jobrunner-chaos-") as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        rate, soak = arguments.jobs_per_second, Soak(seconds) if arguments.soak else None
        course = Course(arguments.seed, seconds, plan, rate, not arguments.shared_engine, arguments.replicas)
        run = run_chaos(folder, course, soak)
        (folder / "record.json").write_text(json.dumps(as_json(run), indent=1), encoding="utf-8")
    found = violations(run)
    print(f"Seed {run.seed}, {seconds / 60:g} minutes\n\n{table(run, found)}")
    if soak is not None:
        print(f"\n{trends(soak.samples)}")
    for violation in found:
        print(f"{violation.promise}: {violation.text}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(enclosed(main))
