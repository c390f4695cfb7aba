"""One run: a farm, a load, a plan of faults; then all that was recorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import collect
from tests.chaos.engines import Engines, machines_engine, own_engines
from tests.chaos.farm import NODES, SETTINGS, ChaosFarm, Need
from tests.chaos.faults import FAULTS, Scene, needs_of
from tests.chaos.load import Load
from tests.chaos.metrics import MetricsWatch
from tests.chaos.moments import Moments
from tests.chaos.plan import Planned
from tests.chaos.records import Run
from tests.chaos.restarts import until_ready
from tests.chaos.soak import Soak, sample
from tests.chaos.witness import Witness, hook_calls
from tests.support.receiver import receiver

CRONS = 2
WARM_UP_SECONDS = 2.5  # jobs are to run when the first fault comes
# A scheduler that died is replaced after its lead has run out (10 s); then the ticks that it left are caught up.
CATCH_UP_SECONDS = 15.0
ENGINE_DISK_BYTES = 1024**3
SETTLE_SECONDS = 180.0  # far more than it takes, but on a machine that does much else


@dataclass(frozen=True)
class Course:
    """What is to be done in a run: for how long a farm is loaded, with what, and which faults are done to it."""

    seed: int
    seconds: float
    plan: Sequence[Planned]
    jobs_per_second: float
    own_engines: bool = False
    replicas: bool = False

    @property
    def needs(self) -> frozenset[Need]:
        """What the farm must have for its faults."""
        return needs_of(planned.kind for planned in self.plan)


def run_chaos(folder: Path, course: Course, soak: Soak | None = None) -> Run:
    """Do it, and record what came of it. `soak` takes its samples meanwhile."""
    moments, seed = Moments(), course.seed
    own = course.own_engines
    disk_bytes = ENGINE_DISK_BYTES if Need.DISKS in course.needs else None
    with own_engines(folder, seed, disk_bytes) if own else machines_engine() as engines, ExitStack() as stack:
        farm, hooks = stack.enter_context(_farm(folder, engines, course)), stack.enter_context(receiver())
        witness, metrics = Witness(farm, moments), MetricsWatch(farm.urls)
        load = Load(farm.urls, farm.image, f"{hooks.url}/ok", seed, course.jobs_per_second)
        scene = Scene(farm, moments, hooks)
        reader, began_at = collect.Reader(farm.urls[0]), time.time()
        place = reader.place()
        with witness.watching(), metrics.watching():
            with load.going(CRONS), soak.sampling(farm) if soak else nullcontext():
                time.sleep(WARM_UP_SECONDS)
                used_at_first = sample(farm)
                _do_all(scene, course.plan, course.seconds)
            load_ended_at = time.time()
            time.sleep(CATCH_UP_SECONDS)
            load.stop_crons(SETTLE_SECONDS)
            settled_at = collect.wait_until_settled(farm, SETTLE_SECONDS)
            left = collect.left_over(farm)
            used_at_last = collect.used_when_over(farm, used_at_first)
        executions = list(reader.executions(load.sent))
        return Run(
            seed=seed,
            began_at=began_at,
            load_ended_at=load_ended_at,
            faults_ended_at=max((fault.ended_at for fault in scene.done), default=load_ended_at),
            settled_at=settled_at,
            settings={name: value for name, value in SETTINGS.items() if isinstance(value, int | float)},
            sent=load.sent,
            executions=executions,
            states=[*witness.states, *load.seen, *reader.told_from(place)],
            container_events=witness.container_events,
            starts=farm.shared.starts(),
            written=farm.shared.written(),
            engine_of={node: engines.of(node) for node in NODES},
            live_restore=frozenset(name for name, engine in engines.own.items() if engine.live_restore),
            calls=hook_calls(hooks),
            faults=sorted(scene.done, key=lambda fault: fault.began_at),
            absences=[*farm.absences, *until_ready(farm)],
            metrics=metrics.seen,
            last_metrics=metrics.last(),
            left_over=left,
            used_at_first=used_at_first,
            used_at_last=used_at_last,
            oddities=[*farm.oddities, *metrics.wrong],
        )


@contextmanager
def _farm(folder: Path, engines: Engines, course: Course) -> Iterator[ChaosFarm]:
    farm = ChaosFarm(folder, engines, replicas=course.replicas, needs=course.needs)
    try:
        farm.start()
        yield farm
    finally:
        farm.end()


def _do_all(scene: Scene, plan: Sequence[Planned], seconds: float) -> None:
    """Each fault at its instant, in a thread of its own: one may begin while another one is not over."""
    began = time.monotonic()
    threads = []
    try:
        for planned in plan:
            time.sleep(max(0.0, began + planned.at_seconds - time.monotonic()))
            threads.append(threading.Thread(target=_do, args=(scene, planned), name=planned.kind, daemon=True))
            threads[-1].start()
        time.sleep(max(0.0, began + seconds - time.monotonic()))
    except BaseException:  # the run is broken off: no fault is to go on while the farm is taken down
        scene.ending.set()
        raise
    finally:
        for thread in threads:
            thread.join()


def _do(scene: Scene, planned: Planned) -> None:
    try:
        FAULTS[planned.kind].do(scene, planned)
    except Exception as error:  # noqa: BLE001 - told with the result, which it fails
        scene.farm.oddities.append(f"the fault {planned.kind!r} could not be done: {type(error).__name__}: {error}")
