"""A run whose process dies, or whose services fail, at every single call that it makes.

Whatever happens, the container starts once, its output is stored once and whole, and the execution reaches its end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from jobrunner.domain.executions import Execution
from jobrunner.domain.ports.output_store import Stream
from jobrunner.domain.states import State
from jobrunner.engine.janitors.owed import make_owed_retries
from jobrunner.engine.janitors.reap import reap
from jobrunner.engine.run import run_execution
from jobrunner.engine.run_end import RunEnd
from tests.support.engine_world import IMAGE, World
from tests.support.port_faults import Crash, Kind, Trouble

MOST_CALLS = 60


@dataclass(frozen=True)
class Story:
    """An execution, and what must be true of it in the end."""

    command: str
    state: State
    stdout: bytes
    stderr: bytes = b""
    attempts: int = 1
    image_is_there: bool = True


STORIES = {
    "done": Story("speak", State.DONE, b"one\nthree\n", b"two\n"),
    "pulled": Story("speak", State.DONE, b"one\nthree\n", b"two\n", image_is_there=False),
    "tried again": Story("fail", State.FAILED, b"oh\n", attempts=2),
    "no such command": Story("nothing", State.FAILED, b""),
}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the output of a story is several chunks."""
    monkeypatch.setattr("jobrunner.engine.capture.CHUNK_BYTES", 4)


@pytest.fixture(params=STORIES.values(), ids=STORIES.keys())
def story(request: pytest.FixtureRequest) -> Story:
    told: Story = request.param
    return told


def told(world: World, story: Story) -> Execution:
    if story.image_is_there:
        world.engine.images.add(IMAGE)
    else:
        world.engine.images.discard(IMAGE)
    return world.submit(story.command, retries=story.attempts - 1)


def assert_told(world: World, execution: Execution, story: Story) -> None:
    """What the promise says: one container, all output, closed once, what is owed was made."""
    ended = world.get(execution)
    assert ended.state is story.state
    assert world.output(execution) == story.stdout
    assert world.output(execution, Stream.STDERR) == story.stderr
    assert world.engine.creates[execution.id] == 1
    assert world.engine.starts[execution.id] == (0 if story.command == "nothing" else 1)
    assert [attempt.attempt for attempt in world.attempts(execution)] == list(range(1, story.attempts + 1))
    assert not ended.owes_retry
    assert world.engine.containers == {}


def janitors(world: World) -> None:
    make_owed_retries(world.farm())
    reap(world.node())


def until_no_call_is_left(tell: Callable[[int], Trouble]) -> None:
    """Tell a story again and again, with the trouble at its first call, its second one, and so on."""
    for at in range(1, MOST_CALLS):
        if len(tell(at).calls) < at:
            assert at > 5, "the story makes calls"
            return
    raise AssertionError("the story has no end")


@pytest.mark.parametrize("kind", [Kind.CRASH_BEFORE, Kind.CRASH_AFTER])
def test_a_crash_at_any_call_starts_no_second_container_and_loses_nothing(
    world: World, story: Story, kind: Kind
) -> None:
    def tell(at: int) -> Trouble:
        execution = told(world, story)
        trouble = Trouble(at, kind)
        try:
            run_execution(world.troubled_node(trouble), execution.id)
        except Crash:
            run_execution(world.node(), execution.id)
        janitors(world)
        assert_told(world, execution, story)
        return trouble

    until_no_call_is_left(tell)


def test_crash_after_crash_comes_to_an_end(world: World, story: Story) -> None:
    """Each incarnation gets one call further than the one before it."""
    execution = told(world, story)
    for at in range(1, MOST_CALLS):
        try:
            run_execution(world.troubled_node(Trouble(at, Kind.CRASH_AFTER)), execution.id)
            break
        except Crash:
            continue
    janitors(world)
    assert_told(world, execution, story)


@pytest.mark.parametrize("kind", [Kind.REFUSED, Kind.UNANSWERED])
def test_an_outage_at_any_call_is_waited_out_by_the_run_itself(world: World, story: Story, kind: Kind) -> None:
    def tell(at: int) -> Trouble:
        execution = told(world, story)
        trouble = Trouble(at, kind)
        end = run_execution(world.troubled_node(trouble), execution.id)
        assert end in (RunEnd.CLOSED, RunEnd.SUPERSEDED), trouble.calls
        assert world.get(execution).state is story.state, trouble.calls
        janitors(world)
        assert_told(world, execution, story)
        return trouble

    until_no_call_is_left(tell)


@pytest.mark.parametrize("kind", [Kind.REFUSED, Kind.UNANSWERED])
def test_an_outage_at_any_call_of_an_adoption_is_waited_out(world: World, kind: Kind) -> None:
    def tell(at: int) -> Trouble:
        execution = told(world, STORIES["done"])
        with pytest.raises(Crash):
            run_execution(world.troubled_node(Trouble(9, Kind.CRASH_AFTER)), execution.id)
        assert world.engine.starts[execution.id] == 1
        trouble = Trouble(at, kind)
        run_execution(world.troubled_node(trouble), execution.id)
        janitors(world)
        assert_told(world, execution, STORIES["done"])
        return trouble

    until_no_call_is_left(tell)


def test_a_run_that_was_superseded_in_mid_air_never_starts_a_container(world: World) -> None:
    """The node is given up (its execution is lost) at every call; its run goes on, and finds that out."""

    def tell(at: int) -> Trouble:
        execution = told(world, STORIES["done"])
        trouble = LosingTouch(world, execution, at)
        run_execution(world.troubled_node(trouble), execution.id)
        reap(world.node())
        assert world.engine.containers == {}
        if trouble.lost_before_start:
            assert world.engine.starts[execution.id] == 0
        if trouble.is_lost:
            assert world.get(execution).state is State.LOST
        return trouble

    until_no_call_is_left(tell)


class LosingTouch(Trouble):
    """Before call number `at`, a janitor closes the execution as lost, if it is on the node by then."""

    def __init__(self, world: World, execution: Execution, at: int) -> None:
        super().__init__(at=10**6)
        self._world, self._execution, self._lose_at = world, execution, at
        self.is_lost = self.lost_before_start = False

    def call(self, name: str, error: type, function: Callable[[], object]) -> object:  # type: ignore[override]
        if len(self.calls) + 1 == self._lose_at:
            self._lose()
        return super().call(name, error, function)

    def _lose(self) -> None:
        held = self._world.get(self._execution)
        lost = self._world.store.executions.compare_and_set(
            held.id,
            states=[State.PULLING, State.RUNNING],
            claim=held.claim,
            changes={"state": State.LOST, "moved_at": self._world.clock.now()},
        )
        self.is_lost = lost is not None
        self.lost_before_start = self.is_lost and held.state is State.PULLING
