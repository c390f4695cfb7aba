"""A SlotWorker in a process of its own, whose messages wait until the test releases them.

python -m tests.support.slot_worker_process REDIS_URL FARM_ID NODE SLOTS [drain] [TROUBLE]

It notes in Redis what it does: lists `<farm id>:started`, `:ended`, `:handed_back`, `:stopped`. A message goes on
until the key `<farm id>:release` is there, or `<farm id>:release:<execution id>`. TROUBLE: see `make_trouble`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError

from jobrunner.domain.resources import Resources
from jobrunner.engine.farm import SystemClock
from jobrunner.engine.reservations import Reservations
from jobrunner.engine.run_end import RunEnd
from jobrunner.queueing import names
from jobrunner.queueing.connection import connect
from jobrunner.queueing.lanes import describe_node
from jobrunner.settings import Settings
from jobrunner.worker.slot_worker import SlotWorker
from jobrunner.worker.take import Taker
from jobrunner.worker.takeover import incarnation_prefix

MESSAGE_FUNCTION = "tests.support.slot_worker_process.run"
HANDOVER_SECONDS = 2.0
LOOK_SECONDS = 0.02

detached = threading.Event()
note: Any = None  # note(list, text): append a text to one of the lists
released: Any = None  # released(execution id): whether it may end


def run(execution_id: str) -> str:
    """What a message calls."""
    note("started", execution_id)
    while not released(execution_id):
        if detached.wait(LOOK_SECONDS):
            return RunEnd.HANDED_BACK.value
    note("ended", execution_id)
    return RunEnd.CLOSED.value


def make_trouble(name: str) -> None:
    """`die after take`: kill -9 between the taking and the run. Else a method: Redis does not answer it once."""
    if name == "die after take":
        take = Taker.take

        def take_and_die(self: Taker, *amounts: Any, **options: Any) -> Any:
            taken = take(self, *amounts, **options)
            if taken:
                os.kill(os.getpid(), signal.SIGKILL)
            return taken

        Taker.take = take_and_die  # type: ignore[method-assign]
    else:
        call, failures = getattr(SlotWorker, name), [1]

        def fail_once(self: SlotWorker, *arguments: Any, **options: Any) -> Any:
            if failures:
                failures.pop()
                raise RedisConnectionError("the test says so")
            return call(self, *arguments, **options)

        setattr(SlotWorker, name, fail_once)


def main(url: str, farm_id: str, node: str, slots: str, *options: str) -> None:
    """Work until a signal comes."""
    global note, released
    for option in set(options) - {"drain"}:
        make_trouble(option)
    connection = connect(Settings(redis_url=url, redis_timeout_seconds=0.5))

    def note_in_redis(name: str, text: str) -> None:
        connection.rpush(f"{farm_id}:{name}", text)

    note = note_in_redis
    released = lambda execution_id: connection.exists(f"{farm_id}:release", f"{farm_id}:release:{execution_id}")  # noqa: E731
    incarnation = f"{incarnation_prefix(farm_id, node)}{os.getpid()}"
    connection.set(names.alive_key(incarnation), "", ex=60)
    worker = SlotWorker(
        connection,
        farm_id=farm_id,
        node=node,
        incarnation=incarnation,
        slots=int(slots),
        clock=SystemClock(),
        described=describe_node(name=node, pools=("default",), labels={}, step_seconds=300, room_wait_seconds=30),
        reservations=Reservations(Resources(slots=int(slots))),
        ready=lambda: True,
        stop_run=lambda execution_id: note("stopped", execution_id),
        hand_back=lambda execution_id: note("handed_back", execution_id),
        forget=lambda execution_id: note("forgotten", execution_id) or True,
        let_go=detached.set,
        handover_seconds=HANDOVER_SECONDS,
        drain="drain" in options,
    )
    worker.heed_signals()  # before anybody can see that it is up, as the worker of a node does
    worker.work(logging_level="WARNING")


if __name__ == "__main__":
    from tests.support.slot_worker_process import main as main_of_the_module_that_messages_name

    main_of_the_module_that_messages_name(*sys.argv[1:])
