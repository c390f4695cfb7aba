"""Reading: queries check every identifier, and output is read in pieces, also while it is being written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobrunner.domain.identifiers import new_id
from jobrunner.domain.listing import ExecutionFilter, Slice
from jobrunner.domain.ports.output_store import Chunk, Stream
from jobrunner.domain.states import State
from jobrunner.engine import queries, stored_output
from jobrunner.engine.fire import fire
from jobrunner.engine.run import run_execution
from jobrunner.errors import InvalidRequest, NotFound
from tests.support.engine_world import TASK, World, err, out


def store_output(world: World, execution_id: str, *contents: bytes) -> None:
    stdout_bytes = 0
    for number, content in enumerate(contents):
        stdout_bytes += len(content)
        cursor = {Stream.STDOUT: stdout_bytes, Stream.STDERR: number + 1}
        world.store.output.append(Chunk(execution_id, number, (out(content), err(b"x")), cursor, "writer"))


# --------------------------------------------------------------------------------------------------------- read


@pytest.mark.parametrize(
    ("offset", "expected"), [(0, b"aabbcc"), (1, b"abbcc"), (2, b"bbcc"), (5, b"c"), (6, b""), (99, b"")]
)
def test_output_is_read_from_an_offset(world: World, offset: int, expected: bytes) -> None:
    execution = world.submit()
    store_output(world, execution.id, b"aa", b"bb", b"cc")
    assert b"".join(stored_output.read(world.store.output, execution.id, Stream.STDOUT, offset)) == expected


def test_more_output_than_a_batch_is_read_whole(world: World) -> None:
    execution = world.submit()
    for count in (stored_output.BATCH - 1, stored_output.BATCH, stored_output.BATCH + 1, 3 * stored_output.BATCH):
        execution = world.submit()
        store_output(world, execution.id, *[b"%d " % n for n in range(count)])
        assert world.output(execution) == b"".join(b"%d " % n for n in range(count))
        assert world.output(execution, Stream.STDERR) == b"x" * count


# ------------------------------------------------------------------------------------------------------ queries


@pytest.mark.parametrize(
    "ask",
    [
        lambda farm, e: queries.task(farm, "no-such-task"),
        lambda farm, e: queries.job(farm, TASK, new_id()),
        lambda farm, e: queries.job(farm, "other", e.job_id),
        lambda farm, e: queries.execution(farm, TASK, e.job_id, new_id()),
        lambda farm, e: queries.execution(farm, TASK, new_id(), e.id),
        lambda farm, e: queries.execution(farm, "other", e.job_id, e.id),
        lambda farm, e: queries.any_execution(farm, new_id()),
        lambda farm, e: queries.tasks(farm, 2),
        lambda farm, e: queries.job(farm, TASK, "x"),
        lambda farm, e: queries.execution(farm, TASK, e.job_id, "x"),
        lambda farm, e: queries.any_execution(farm, ""),
    ],
)
def test_what_is_not_there_or_not_where_it_is_looked_for_is_not_found(world: World, ask: Callable[..., object]) -> None:
    execution = world.submit()
    with pytest.raises(NotFound):
        ask(world.farm(), execution)


@pytest.mark.parametrize(
    "ask",
    [
        lambda farm, e: queries.task(farm, "a/b"),
        lambda farm, e: queries.job(farm, "-x", e.job_id),
    ],
)
def test_what_cannot_be_a_task_is_invalid(world: World, ask: Callable[..., object]) -> None:
    execution = world.submit()
    with pytest.raises(InvalidRequest):
        ask(world.farm(), execution)


def test_an_id_may_be_written_in_capitals(world: World) -> None:
    execution = world.submit()
    assert queries.execution(world.farm(), TASK, execution.job_id.upper(), execution.id.upper()).id == execution.id


def test_the_last_execution_of_a_cron_is_the_one_that_started_last(world: World) -> None:
    tick = world.submit(cron="* * * * *")
    job = queries.job(world.farm(), TASK, tick.job_id)
    assert queries.last_execution(world.farm(), job).id == tick.id
    world.clock.move(60)
    fire(world.farm(), tick.id)
    assert queries.newest_execution(world.farm(), job) != world.get(tick)
    assert queries.last_execution(world.farm(), job) == world.get(tick)


def test_the_tail_of_the_output_says_whether_it_is_all(world: World) -> None:
    execution = world.submit()
    run_execution(world.node(), execution.id)
    whole = queries.output_tail(world.farm(), execution, 100)
    assert (whole.stdout, whole.stderr, whole.is_whole) == (b"one\nthree\n", b"two\n", True)
    cut = queries.output_tail(world.farm(), execution, 3)
    assert (cut.stdout, cut.stderr, cut.is_whole) == (b"ee\n", b"wo\n", False)


def test_pages_say_whether_there_is_another(world: World) -> None:
    for _ in range(5):
        world.clock.move(1)
        world.submit()
    farm = world.farm(page_size=2)
    first = queries.executions(farm, ExecutionFilter())
    second = queries.executions(farm, ExecutionFilter(), first.following)
    third = queries.executions(farm, ExecutionFilter(), second.following)
    assert [(len(found.items), found.following is None) for found in (first, second, third)] == [
        (2, False),
        (2, False),
        (1, True),
    ]
    assert queries.executions(farm, ExecutionFilter([State.DONE])) == Slice((), None)
