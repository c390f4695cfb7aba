"""Making deliveries: when, how often, how many at once, and what is noted of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from jobrunner.domain.deliveries import Delivery, DeliveryKind, DeliveryState
from jobrunner.domain.events import Delivered, DeliveryFailed
from jobrunner.domain.executions import Execution
from jobrunner.domain.ports.notifier import Dispatch, Receipt
from jobrunner.domain.states import State
from jobrunner.domain.usage import ResourceUsage
from jobrunner.engine.cancel import stop_execution
from jobrunner.engine.deliver import Deliverer
from jobrunner.engine.redeliver import redeliver
from jobrunner.engine.run import run_execution
from jobrunner.errors import Conflict, InvalidRequest, NotFound
from jobrunner.notifiers.fake import FakeNotifier
from tests.support.engine_world import World, err, out
from tests.support.farm import wait_until

NO = Receipt(500, "answered with status 500")
FIRST, FACTOR = 5.0, 3.0
SOON_SECONDS = 10
SENDING: list[Deliverer] = []


def deliverer(world: World, notifier: FakeNotifier, jitter: float = 0.5, **settings: object) -> Deliverer:
    kinds = {DeliveryKind.WEBHOOK: notifier, DeliveryKind.EMAIL: notifier}
    made = Deliverer(world.farm(**settings), kinds, jitter=lambda: jitter)
    SENDING.append(made)
    return made


def deliver(made: Deliverer) -> None:
    """Send what is due, and wait for it."""
    made.start_due()
    assert made.wait_until_idle(SOON_SECONDS)


def owe(world: World, *urls: str, retries: int | None = None) -> Execution:
    """An execution that has ended, and owes a call to each of these."""
    hooks = [{"url": url, "retries": retries} for url in urls or ("https://example.org/",)]
    execution = world.submit(webhooks={"finishes": hooks})
    stop_execution(world.farm(), execution)
    return execution


def delivery_of(world: World, execution: Execution) -> Delivery:
    (found,) = world.store.deliveries.of_execution(execution.id)
    return found


class Held:
    """Keeps what is sent to some hosts waiting, until it is let go."""

    def __init__(self, *hosts: str) -> None:
        self.hosts, self.let_go, self.waiting = hosts, threading.Event(), 0
        self.most_waiting = 0
        self._lock = threading.Lock()

    def __call__(self, dispatch: Dispatch) -> None:
        if dispatch.delivery.host not in self.hosts:
            return
        with self._lock:
            self.waiting += 1
            self.most_waiting = max(self.most_waiting, self.waiting)
        self.let_go.wait(30)
        with self._lock:
            self.waiting -= 1


@pytest.fixture
def hold(world: World) -> Iterator[Callable[..., Held]]:
    made: list[Held] = []

    def hold(*hosts: str) -> Held:
        made.append(Held(*hosts))
        return made[-1]

    yield hold
    for held in made:
        held.let_go.set()
    while SENDING:
        assert SENDING.pop().wait_until_idle(SOON_SECONDS)


def test_what_is_taken_is_delivered_and_not_sent_again(world: World) -> None:
    execution, notifier = owe(world), FakeNotifier()
    sending = deliverer(world, notifier)
    deliver(sending)
    world.clock.move(3600)
    deliver(sending)
    found = delivery_of(world, execution)
    assert (found.state, found.attempts_count) == (DeliveryState.DELIVERED, 1)
    assert [sent.delivery.id for sent in notifier.sent] == [found.id]
    assert [event.delivery_id for event in world.announced(Delivered)] == [found.id]


def test_what_is_not_taken_is_tried_again_after_longer_and_longer_pauses(world: World) -> None:
    execution, notifier = owe(world), FakeNotifier(NO, NO, NO)
    sending = deliverer(world, notifier)
    for pause_seconds in (FIRST, FIRST * FACTOR, FIRST * FACTOR**2):
        deliver(sending)
        before = len(notifier.sent)
        world.clock.move(pause_seconds - 0.001)
        deliver(sending)
        assert len(notifier.sent) == before, "it came too early"
        world.clock.move(0.001)
    deliver(sending)
    found = delivery_of(world, execution)
    assert [attempt.status_code for attempt in found.attempts] == [500, 500, 500, 200]
    assert found.state is DeliveryState.DELIVERED


@pytest.mark.parametrize(("jitter", "expected_seconds"), [(0.0, 4.0), (0.5, 5.0), (1.0, 6.0)])
def test_pauses_are_spread_by_up_to_a_fifth(world: World, jitter: float, expected_seconds: float) -> None:
    execution = owe(world)
    deliver(deliverer(world, FakeNotifier(NO), jitter))
    pause = delivery_of(world, execution).next_attempt_at - world.clock.now()
    assert pause == timedelta(seconds=expected_seconds)


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_what_is_never_taken_is_given_up_after_its_retries(world: World, retries: int) -> None:
    execution, notifier = owe(world, retries=retries), FakeNotifier(*[NO] * 10)
    sending = deliverer(world, notifier)
    for _ in range(6):
        deliver(sending)
        world.clock.move(3600)
    found = delivery_of(world, execution)
    assert found.state is DeliveryState.GIVEN_UP
    assert found.attempts_count == len(notifier.sent) == retries + 1
    assert [event.given_up for event in world.announced(DeliveryFailed)] == [False] * retries + [True]


def test_what_can_never_be_taken_is_given_up_at_once(world: World) -> None:
    execution = owe(world)
    deliver(deliverer(world, FakeNotifier(Receipt(error="127.0.0.1 is a loopback address", is_final=True))))
    found = delivery_of(world, execution)
    assert found.state is DeliveryState.GIVEN_UP
    assert found.attempts[0].error == "127.0.0.1 is a loopback address"


def test_a_fault_of_ours_is_noted_and_counted_like_any_other(world: World) -> None:
    def fault(dispatch: Dispatch) -> None:
        raise KeyError("geheim")

    execution = owe(world)
    deliver(deliverer(world, FakeNotifier(before=fault)))
    found = delivery_of(world, execution)
    assert found.attempts[0].error == "it could not be sent: KeyError"
    assert found.state is DeliveryState.OWED


def test_two_schedulers_send_a_delivery_once(world: World, hold: Callable[..., Held]) -> None:
    execution, held = owe(world), hold("example.org:443")
    notifier = FakeNotifier(before=held)
    first, second = deliverer(world, notifier), deliverer(world, notifier)
    first.start_due()
    second.start_due()
    held.let_go.set()
    assert first.wait_until_idle(SOON_SECONDS)
    assert second.wait_until_idle(SOON_SECONDS)
    assert len(notifier.sent) == 1
    assert delivery_of(world, execution).state is DeliveryState.DELIVERED


def test_what_a_dead_scheduler_was_sending_is_sent_again_under_its_id(world: World, hold: Callable[..., Held]) -> None:
    execution, held = owe(world), hold("example.org:443")
    dead, living = deliverer(world, FakeNotifier(before=held)), FakeNotifier()
    dead.start_due()
    other = deliverer(world, living)
    world.clock.move(29)
    deliver(other)
    assert living.sent == [], "the claim is not over yet"
    world.clock.move(2)
    deliver(other)
    assert [sent.delivery.id for sent in living.sent] == [delivery_of(world, execution).id]


def test_a_slow_receiver_has_its_bound_and_holds_up_nobody_else(world: World, hold: Callable[..., Held]) -> None:
    held = hold("slow.example.org:443")
    notifier = FakeNotifier(before=held)
    owe(world, *["https://slow.example.org/"] * 20)
    quick = owe(world, "https://quick.example.org/")
    sending = deliverer(world, notifier)

    sending.start_due()

    wait_until(
        lambda: delivery_of(world, quick).state is DeliveryState.DELIVERED, SOON_SECONDS, "the quick one is delivered"
    )
    assert held.most_waiting == 4
    held.let_go.set()
    wait_until(lambda: sending.start_due() or len(notifier.sent) == 21, SOON_SECONDS, "all are sent in the end")
    assert held.most_waiting == 4


def test_no_more_are_sent_at_once_than_there_are_threads(world: World, hold: Callable[..., Held]) -> None:
    hosts = [f"host-{number}.example.org" for number in range(10)]
    held = hold(*[f"{host}:443" for host in hosts])
    owe(world, *[f"https://{host}/" for host in hosts])
    sending = deliverer(world, FakeNotifier(before=held), delivery_threads=3)
    sending.start_due()
    wait_until(lambda: held.waiting == 3, SOON_SECONDS, "three wait")
    sending.start_due()
    assert held.most_waiting == 3


def test_a_process_that_is_to_end_starts_no_more(world: World) -> None:
    owe(world)
    notifier = FakeNotifier()
    sending = deliverer(world, notifier)
    sending._farm.stopping.set()
    deliver(sending)
    assert notifier.sent == []


def test_a_late_call_about_the_start_tells_of_the_start(world: World) -> None:
    execution = world.submit("fail", webhooks={"starts": [{"url": "https://example.org/"}]}, retries=1)
    run_execution(world.node(), execution.id)
    usage = ResourceUsage(world.clock.now(), 1.5)
    world.store.executions.compare_and_set(execution.id, states=[State.FAILED], claim=None, changes={"usage": usage})
    notifier = FakeNotifier()
    deliver(deliverer(world, notifier))
    told = notifier.sent[0].execution
    assert world.get(execution).state is State.FAILED
    assert world.get(execution).retried_by is not None
    assert (told.usage, told.retried_by) == (None, None)
    assert (told.state, told.exit_code, told.finished_at, told.reason) == (State.RUNNING, None, None, "")
    assert State.FAILED not in told.times


def test_an_email_has_the_end_of_the_output_with_it(world: World) -> None:
    world.settings |= {"smtp_host": "mail.example.org", "smtp_from": "jobrunner@example.org"}
    world.engine.scripts[("loud",)] = type(world.engine.scripts[("fail",)])((out(b"to stdout\n"), err(b"to stderr\n")))
    execution = world.submit("loud", notify={"finishes": ["ada@example.org"]})
    run_execution(world.node(), execution.id)
    notifier = FakeNotifier()
    deliver(deliverer(world, notifier))
    assert (notifier.sent[0].stdout, notifier.sent[0].stderr) == (b"to stdout\n", b"to stderr\n")


# ---- by hand


def test_what_was_given_up_is_made_again_by_hand_under_its_id(world: World) -> None:
    execution, notifier = owe(world, retries=0), FakeNotifier(NO)
    sending = deliverer(world, notifier)
    deliver(sending)
    redeliver(world.farm(), world.get(execution), delivery_of(world, execution).id)
    deliver(sending)
    found = delivery_of(world, execution)
    assert found.state is DeliveryState.DELIVERED
    assert {sent.delivery.id for sent in notifier.sent} == {found.id}
    assert len(notifier.sent) == 2


def test_what_was_delivered_can_be_delivered_again(world: World) -> None:
    execution, notifier = owe(world), FakeNotifier()
    sending = deliverer(world, notifier)
    deliver(sending)
    redeliver(world.farm(), world.get(execution), delivery_of(world, execution).id)
    deliver(sending)
    assert len(notifier.sent) == 2


def test_what_is_being_delivered_is_not_started_twice_by_hand(world: World, hold: Callable[..., Held]) -> None:
    execution, held = owe(world), hold("example.org:443")
    deliverer(world, FakeNotifier(before=held)).start_due()
    with pytest.raises(Conflict):
        redeliver(world.farm(), world.get(execution), delivery_of(world, execution).id)


def test_a_delivery_of_another_execution_is_not_found(world: World) -> None:
    mine, other = owe(world), owe(world)
    with pytest.raises(NotFound):
        redeliver(world.farm(), world.get(mine), delivery_of(world, other).id)
    with pytest.raises(InvalidRequest):
        redeliver(world.farm(), world.get(mine), "not-an-id")
