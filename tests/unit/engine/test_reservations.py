"""The account of a node: never more given away than there is, whatever comes twice, and after a restart, too."""

from __future__ import annotations

from dataclasses import replace

from jobrunner.domain.ports.executor import Machine
from jobrunner.domain.resources import Resources
from jobrunner.engine.janitors.resume import Resume
from jobrunner.engine.presence import Presence, capacity_of
from jobrunner.engine.reservations import Reservation, Reservations
from jobrunner.engine.run import run_execution
from jobrunner.settings import Settings
from tests.support.engine_world import World

ONE_CPU = Resources(slots=1, cpu_millis=1000)
CAPACITY = Resources(slots=4, cpu_millis=2000, gpus=3)


def test_what_is_reserved_is_not_free_until_it_is_released() -> None:
    account = Reservations(CAPACITY)
    account.reserve("a", ONE_CPU)
    assert account.free() == Resources(slots=3, cpu_millis=1000, gpus=3)
    account.release("a")
    assert account.free() == CAPACITY


def test_an_execution_that_comes_twice_is_reserved_once_until_the_last_message_is_done_with() -> None:
    account = Reservations(CAPACITY)
    account.reserve("a", ONE_CPU)
    account.reserve("a", ONE_CPU)
    assert account.reserved() == ONE_CPU
    account.release("a")
    assert account.reserved() == ONE_CPU
    account.release("a")
    assert account.reserved() == Resources()
    account.release("a")


def test_what_is_held_and_what_is_taken_is_counted_once() -> None:
    account = Reservations(CAPACITY)
    account.hold({"a": Reservation(ONE_CPU)})
    account.reserve("a", Resources(slots=1))  # its message comes: it has what it had
    assert account.reserved() == ONE_CPU
    account.release("a")
    assert account.reserved() == Resources()


def test_each_execution_has_gpus_of_its_own() -> None:
    account = Reservations(CAPACITY)
    account.hold({"held": Reservation(Resources(slots=1, gpus=1), ("1",))})
    account.reserve("a", Resources(slots=1, gpus=2))
    assert account.gpus_of("a") == ("0", "2")
    account.release("a")
    account.reserve("b", Resources(slots=1, gpus=1))
    assert account.gpus_of("b") == ("0",)
    assert account.gpus_of("unknown") == ()


def test_jobs_may_use_all_of_a_machine_unless_the_settings_say_how_much() -> None:
    machine = Machine(Resources(cpu_millis=8000, memory_bytes=2**34, gpus=1, storage_bytes=2**40), limits_storage=True)
    assert capacity_of(machine, Settings(slots=2)) == Resources(2, 8000, 2**34, 1, 2**40)
    chosen = Settings(slots=2, node_cpus=0.5, node_memory_bytes=2**20, node_gpus=0, node_storage_bytes=0)
    assert capacity_of(machine, chosen) == Resources(2, 500, 2**20)
    assert capacity_of(replace(machine, limits_storage=False), Settings(node_storage_bytes=9)).storage_bytes == 0


def test_a_restarted_worker_has_reserved_what_its_node_holds_before_anything_is_taken(world: World) -> None:
    execution, _, _ = world.running(resources={"cpu": 1.5, "memory": "1g"})
    successor = world.node()
    Presence(successor, "x").beat()
    Resume(successor).at_start()
    assert successor.reservations.reserved() == execution.spec.resources.needs
    assert world.queue.demands[execution.id].needs == execution.spec.resources.needs


def test_gpus_are_noted_when_an_execution_is_claimed(world: World) -> None:
    execution, node = world.submit("speak", resources={"gpu": 2}), world.node(node_gpus=2)
    Presence(node, "x").beat()
    node.reservations.reserve(execution.id, execution.spec.resources.needs)
    run_execution(node, execution.id)
    assert world.get(execution).gpu_ids == ("0", "1")


def test_the_beat_tells_what_is_reserved(world: World) -> None:
    node = world.node(slots=2)
    presence = Presence(node, "x")
    node.reservations.reserve("a", ONE_CPU)
    presence.beat()
    (known,) = world.store.nodes.all()
    assert known.capacity == Resources(slots=2, cpu_millis=8000, memory_bytes=2**34)
    assert known.free == known.capacity - ONE_CPU
