"""Run measurements: python -m tests.bench [--short] [--executions N] [NAME...]."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from tests.bench.crons import cron_rush
from tests.bench.measures import MEASURES, Row, throughput
from tests.bench.reads import reads
from tests.bench.recovery import print_recovery
from tests.support.farm import Farm
from tests.support.farm_leftovers import drop, farm_id_of, remove_containers
from tests.support.images import ensure_test_image
from tests.support.services import docker_host, mongodb_service, redis_service

SLOTS = (8, 16)
NAMES = ("throughput", *MEASURES, "crons", "reads")
RECOVERY = "recovery"  # by itself: no budget, but a table of what happens


def main() -> int:
    """Print a table; exit code 1 where a budget is not kept."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer repetitions: shows that it works, not how fast")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)} (all); or {RECOVERY}")
    parser.add_argument(
        "--executions", type=int, default=200_000, metavar="N", help="how many `reads` stores (%(default)s)"
    )
    arguments = parser.parse_args()
    if arguments.names == [RECOVERY]:
        with tempfile.TemporaryDirectory(prefix="jobrunner-bench-") as folder:
            print_recovery(Path(folder), short=arguments.short)
        return 0
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}")
    rows = list(_measure(arguments.names or NAMES, arguments.short, arguments.executions))
    return 0 if all(row.kept is not False for row in rows) else 1


def _measure(names: Sequence[str], short: bool, executions: int) -> Iterator[Row]:
    print("| what | measured | budget | kept |\n| --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory(prefix="jobrunner-bench-") as folder, _services(Path(folder)) as urls:
        if "throughput" in names:
            for slots in SLOTS:
                with _farm(*urls, Path(folder), slots=slots) as farm:
                    yield _shown(throughput(farm, slots, short))
        with _farm(*urls, Path(folder)) as farm:
            for name, measure in MEASURES.items():
                if name in names:
                    yield _shown(measure(farm, short))
        if "crons" in names:
            with _farm(*urls, Path(folder), nodes=()) as farm:
                yield _shown(cron_rush(farm, short))
        if "reads" in names:  # last: it leaves a long history
            with _farm(*urls, Path(folder)) as farm, _farm(*urls, Path(folder)) as other:
                yield _shown(reads(farm, other, short, executions))


def _shown(row: Row) -> Row:
    kept = {True: "yes", False: "NO", None: "-"}[row.kept]
    print(f"| {row.name} | {row.measured} | {row.budget} | {kept} |", flush=True)
    return row


@contextmanager
def _services(folder: Path) -> Iterator[tuple[str, str]]:
    with mongodb_service(folder / "mongodb") as mongodb_url, redis_service(folder / "redis") as redis_url:
        yield mongodb_url, redis_url


@contextmanager
def _farm(
    mongodb_url: str, redis_url: str, folder: Path, nodes: Sequence[str] = ("one",), **settings: object
) -> Iterator[Farm]:
    name = f"bench_{uuid4().hex[:12]}"
    home = folder / name
    home.mkdir()
    image = ensure_test_image(docker_host())
    # As a farm is set up by default, but for its log, which the measurement of the adoption reads.
    default = {"node_beat_seconds": 5, "node_silent_seconds": 30, "janitor_interval_seconds": 5, **settings}
    farm = Farm(name, mongodb_url, redis_url, home, image, farm_id=farm_id_of(name), **default)
    try:
        farm.start_all(*nodes)
        yield farm
    finally:
        farm.end_all()
        remove_containers(farm_id_of(name))
        drop(mongodb_url, redis_url, name)


if __name__ == "__main__":
    sys.exit(main())
