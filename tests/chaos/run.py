"""One run: a farm, a load, a plan of faults; then all that was recorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import collect
from tests.chaos.farm import SETTINGS, ChaosFarm
from tests.chaos.faults import FAULTS, Scene
from tests.chaos.load import Load
from tests.chaos.metrics import MetricsWatch
from tests.chaos.moments import Moments
from tests.chaos.own_engine import OwnEngine
from tests.chaos.plan import Planned
from tests.chaos.records import Run
from tests.chaos.soak import Soak
from tests.chaos.witness import Witness, hook_calls
from tests.support.receiver import receiver

CRONS = 2
# A scheduler that died is replaced after its lead has run out (10 s); then the ticks that it left are caught up.
CATCH_UP_SECONDS = 15.0
SETTLE_SECONDS = 180.0  # far more than it takes, but on a machine that does much else


@dataclass(frozen=True)
class Course:
    """What is to be done in a run: for how long a farm is loaded, with what, and which faults are done to it."""

    seed: int
    seconds: float
    plan: Sequence[Planned]
    jobs_per_second: float
    own_engine: bool = False
    replicas: bool = False


def run_chaos(folder: Path, course: Course, soak: Soak | None = None) -> Run:
    """Do it, and record what came of it. `soak` takes its samples meanwhile."""
    moments, seed = Moments(), course.seed
    with _engine(folder, course) as engine, _farm(folder, engine, course) as farm, receiver() as hooks:
        witness, metrics = Witness(farm, moments), MetricsWatch(farm.urls)
        load = Load(farm.urls, farm.farm.image, f"{hooks.url}/ok", seed, course.jobs_per_second)
        scene = Scene(farm, moments, hooks)
        began_at = time.time()
        with witness.watching(), metrics.watching():
            with load.going(CRONS), soak.sampling(farm) if soak else nullcontext():
                _do_all(scene, course.plan, course.seconds)
            load_ended_at = time.time()
            time.sleep(CATCH_UP_SECONDS)
            load.stop_crons(SETTLE_SECONDS)
            settled_at = collect.wait_until_settled(farm, SETTLE_SECONDS)
            left = collect.left_over(farm)
        executions = list(collect.Reader(farm.urls[0]).executions(load.sent))
        return Run(
            seed=seed,
            began_at=began_at,
            load_ended_at=load_ended_at,
            faults_ended_at=max((fault.ended_at for fault in scene.done), default=load_ended_at),
            settled_at=settled_at,
            settings={name: value for name, value in SETTINGS.items() if isinstance(value, int | float)},
            sent=load.sent,
            executions=executions,
            states=[*witness.states, *load.seen],
            container_events=witness.container_events,
            calls=hook_calls(hooks),
            faults=sorted(scene.done, key=lambda fault: fault.began_at),
            absences=farm.absences,
            metrics=metrics.seen,
            last_metrics=metrics.last(),
            left_over=left,
            oddities=[*farm.oddities, *metrics.wrong],
        )


@contextmanager
def _engine(folder: Path, course: Course) -> Iterator[OwnEngine | None]:
    """The Engine of the run's own, if there is to be one. Whether containers outlive it is up to the seed."""
    if not course.own_engine:
        yield None
        return
    engine = OwnEngine(folder, live_restore=bool(course.seed % 2))
    try:
        yield engine.start()
    finally:
        engine.close()


@contextmanager
def _farm(folder: Path, engine: OwnEngine | None, course: Course) -> Iterator[ChaosFarm]:
    farm = ChaosFarm(folder, engine, replicas=course.replicas)
    try:
        farm.start()
        yield farm
    finally:
        farm.end()


def _do_all(scene: Scene, plan: Sequence[Planned], seconds: float) -> None:
    """Each fault at its instant, in a thread of its own: one may begin while another one is not over."""
    began = time.monotonic()
    threads = []
    for planned in plan:
        time.sleep(max(0.0, began + planned.at_seconds - time.monotonic()))
        threads.append(threading.Thread(target=_do, args=(scene, planned), name=planned.kind, daemon=True))
        threads[-1].start()
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    for thread in threads:
        thread.join()


def _do(scene: Scene, planned: Planned) -> None:
    try:
        FAULTS[planned.kind].do(scene, planned)
    except Exception as error:  # noqa: BLE001 - told with the result, which it fails
        scene.farm.oddities.append(f"the fault {planned.kind!r} could not be done: {type(error).__name__}: {error}")
