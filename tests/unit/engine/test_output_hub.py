"""Followers of one output: one reader of the store for all of them, each at its own pace, every byte once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from jobrunner.domain.executions import Execution
from jobrunner.domain.output_position import OutputPosition
from jobrunner.domain.ports.output_store import Chunk, Stream
from jobrunner.domain.states import State
from jobrunner.engine import output_hub, output_start
from jobrunner.engine.farm import Farm
from jobrunner.engine.move import move
from jobrunner.engine.output_follower import Over, StateChanged, Written, follow
from jobrunner.engine.output_hub import OutputHub
from jobrunner.errors import Ending, StoreUnavailable
from tests.support.engine_world import World, err, out

PATIENCE_SECONDS = 20.0


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_hub, "LOOK_SECONDS", 0.005)


class CountingOutput:
    """The output's store; counts who asks for chunks: the feed, or one who lags behind."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.asked: Counter[str] = Counter()
        self.is_down = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def chunks(self, execution_id: str, after: int = -1, limit: int | None = None) -> list[Chunk]:
        """As the real one, counted by the number after which chunks are asked for."""
        if self.is_down:
            raise StoreUnavailable("MongoDB does not answer: the test says so")
        self.asked[after] += 1
        return list(self._real.chunks(execution_id, after=after, limit=limit))


def counted(farm: Farm) -> tuple[Farm, CountingOutput]:
    output = CountingOutput(farm.store.output)
    return replace(farm, store=replace(farm.store, output=output)), output


def running(world: World) -> Execution:
    """An execution that runs, on no node."""
    execution: Execution | None = world.submit()
    for state in (State.PULLING, State.RUNNING):
        assert execution is not None
        execution = move(world.farm(), execution, state)
    assert execution is not None
    return execution


def write(world: World, execution: Execution, *contents: bytes) -> None:
    """Store a chunk for each of them, on stdout."""
    last = world.store.output.last(execution.id)
    first = last.sequence + 1 if last else 0
    for number, content in enumerate(contents, first):
        cursor = {Stream.STDOUT: 0, Stream.STDERR: 0}
        world.store.output.append(Chunk(execution.id, number, (out(content),), cursor, "writer"))


def end(world: World, execution: Execution) -> None:
    assert move(world.farm(), world.get(execution), State.DONE, exit_code=0)


def with_hub(farm: Farm, act: Callable[[OutputHub], Awaitable[Any]]) -> Any:
    """Run this with a hub, in an event loop."""

    async def run() -> Any:
        hub = OutputHub(farm)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await act(hub)
        finally:
            hub.close()

    return asyncio.run(run())


async def content(hub: OutputHub, execution: Execution, start: OutputPosition | None = None) -> bytes:
    """All that a follower gets."""
    parts = []
    with hub.feed(execution) as feed:
        async for item in follow(feed, start or OutputPosition(execution.id)):
            if isinstance(item, Written):
                parts.append(item.content)
    return b"".join(parts)


def test_many_followers_make_one_reader_of_the_store(world: World) -> None:
    execution = running(world)
    farm, output = counted(world.farm())

    async def act(hub: OutputHub) -> list[bytes]:
        followers = [asyncio.create_task(content(hub, execution)) for _ in range(200)]
        while not output.asked:  # what is stored before the feed begins is read by each
            await asyncio.sleep(0.005)
        for number in range(10):
            write(world, execution, b"%d" % number)
            await asyncio.sleep(0.02)
        end(world, execution)
        return await asyncio.gather(*followers)

    assert with_hub(farm, act) == [b"0123456789"] * 200
    assert max(output.asked[number] for number in range(-1, 9)) < 200  # else each of them had asked for a chunk


def test_a_follower_that_does_not_go_on_holds_up_nobody_and_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_hub, "WINDOW_BYTES", 10)
    execution = running(world)

    async def act(hub: OutputHub) -> tuple[bytes, bytes]:
        go_on = asyncio.Event()

        async def slow() -> bytes:
            parts = []
            with hub.feed(execution) as feed:
                async for item in follow(feed, OutputPosition(execution.id)):
                    if isinstance(item, Written):
                        parts.append(item.content)
                        await go_on.wait()
            return b"".join(parts)

        lagging, quick = asyncio.create_task(slow()), asyncio.create_task(content(hub, execution))
        for number in range(100):
            write(world, execution, b"%03d" % number)
        end(world, execution)
        first = await quick
        go_on.set()
        return first, await lagging

    whole = b"".join(b"%03d" % number for number in range(100))
    assert with_hub(world.farm(), act) == (whole, whole)


def test_the_window_of_a_feed_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_hub, "WINDOW_BYTES", 100)
    execution = running(world)

    async def act(hub: OutputHub) -> int:
        with hub.feed(execution) as feed:
            async for item in follow(feed, OutputPosition(execution.id)):
                if isinstance(item, StateChanged):
                    write(world, execution, *[b"x" * 40] * 50)
                    end(world, execution)
            return sum(len(fragment.content) for chunk in feed._window for fragment in chunk.fragments)

    assert with_hub(world.farm(), act) <= 100


def test_a_feed_begins_with_the_first_follower_and_ends_with_the_last(world: World) -> None:
    execution = running(world)
    farm, output = counted(world.farm())

    async def act(hub: OutputHub) -> None:
        with hub.feed(execution) as first:
            with hub.feed(execution) as second:
                assert first is second
            while not output.asked:
                await asyncio.sleep(0.005)
        assert first.looking is not None
        with suppress(asyncio.CancelledError):
            await first.looking
        asked = sum(output.asked.values())
        await asyncio.sleep(0.1)
        assert sum(output.asked.values()) == asked
        with hub.feed(execution) as third:
            assert third is not first

    with_hub(farm, act)


def test_a_store_that_goes_away_is_told_to_all_followers_and_looked_at_anew_by_the_next(world: World) -> None:
    execution = running(world)
    farm, output = counted(world.farm())

    async def act(hub: OutputHub) -> None:
        followers = [asyncio.create_task(content(hub, execution)) for _ in range(3)]
        await asyncio.sleep(0.05)
        output.is_down = True
        outcomes = await asyncio.gather(*followers, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 3
        output.is_down = False
        write(world, execution, b"more")
        end(world, execution)
        assert await content(hub, execution) == b"more"

    with_hub(farm, act)


def test_who_follows_is_let_go_when_the_process_ends(world: World) -> None:
    execution = running(world)

    async def act(hub: OutputHub) -> None:
        follower = asyncio.create_task(content(hub, execution))
        await asyncio.sleep(0.05)
        hub.let_go()
        with pytest.raises(Ending):
            await follower

    with_hub(world.farm(), act)


def test_the_last_item_says_how_it_ended(world: World) -> None:
    execution = running(world)
    end(world, execution)

    async def act(hub: OutputHub) -> list[Any]:
        with hub.feed(execution) as feed:
            return [item async for item in follow(feed, OutputPosition(execution.id))]

    assert with_hub(world.farm(), act)[-1] == Over(world.get(execution), None)


@pytest.mark.parametrize("sequence", range(4))
@pytest.mark.parametrize("offset", range(4))
def test_one_goes_on_from_any_byte(world: World, sequence: int, offset: int) -> None:
    execution = running(world)
    write(world, execution, b"abc", b"def", b"ghi")
    end(world, execution)
    start = OutputPosition(execution.id, sequence, offset)
    assert with_hub(world.farm(), lambda hub: content(hub, execution, start)) == b"abcdefghi"[3 * sequence + offset :]


@pytest.mark.parametrize("chunk_bytes", [1, 2, 7, 1000])
@pytest.mark.parametrize("text", [b"a\nb\n\nc\n", b"a\nb\n\nc", b"\n", b"", b"x" * 50])
def test_the_last_lines_begin_where_tail_says(world: World, text: bytes, chunk_bytes: int) -> None:
    execution = running(world)
    write(world, execution, *(text[at : at + chunk_bytes] for at in range(0, len(text), chunk_bytes)))
    end(world, execution)
    for lines in range(6):
        start = output_start.before_last_lines(world.farm(), execution, lines)
        expected = b"".join(text.splitlines(keepends=True)[-lines:] if lines else [])
        assert with_hub(world.farm(), lambda hub, start=start: content(hub, execution, start)) == expected


def test_a_line_without_end_is_not_looked_for_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_start, "TAIL_BYTES", 100)
    execution = running(world)
    write(world, execution, *[b"x" * 10] * 200)
    start = output_start.before_last_lines(world.farm(), execution, 1)
    assert 200 - 10 - output_start.BATCH <= start.sequence <= 200 - 10


def test_both_streams_are_one_output(world: World) -> None:
    execution = running(world)
    fragments = (out(b"a\n"), err(b"b\n"), out(b"c\n"))
    world.store.output.append(Chunk(execution.id, 0, fragments, dict.fromkeys(Stream, 4), "writer"))
    end(world, execution)
    start = output_start.before_last_lines(world.farm(), execution, 2)
    assert with_hub(world.farm(), lambda hub: content(hub, execution, start)) == b"b\nc\n"
