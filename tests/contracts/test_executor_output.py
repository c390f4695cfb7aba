"""What every executor promises about the output of containers, on a fake Engine and on a real one."""

from __future__ import annotations

import pytest

from jobrunner.domain.ports.executor import Executor
from jobrunner.domain.ports.output_store import Stream
from tests.contracts.executor_world import (
    EVERY_BYTE,
    IGNORES_SIGTERM,
    LONG_LINES,
    PRINTS_EVERY_BYTE,
    PRINTS_HI,
    PRINTS_LONG_LINES,
    PRINTS_TO_BOTH,
    SAYS_BYE_ON_SIGTERM,
    Program,
    assert_a_reader_that_is_interrupted_first_ends,
    assert_interrupt_ends_a_reader,
    execution_of,
    read,
    run,
    started,
)


def test_attach_before_start_sees_every_byte(executor: Executor) -> None:
    content, _ = run(executor, execution_of(PRINTS_HI))
    assert content == {Stream.STDOUT: b"hi\n", Stream.STDERR: b""}


def test_the_streams_are_apart_and_in_order(executor: Executor) -> None:
    content, _ = run(executor, execution_of(PRINTS_TO_BOTH))
    assert content == {Stream.STDOUT: b"1\n3\n", Stream.STDERR: b"2\n"}


@pytest.mark.parametrize(("program", "written"), [(PRINTS_EVERY_BYTE, EVERY_BYTE), (PRINTS_LONG_LINES, LONG_LINES)])
def test_bytes_are_exact(executor: Executor, program: Program, written: bytes) -> None:
    content, container = run(executor, execution_of(program))
    assert content[Stream.STDOUT] == written
    assert read(executor.replay(container)) == content


def test_replay_after_the_exit_is_what_was_written(executor: Executor) -> None:
    content, container = run(executor, execution_of(PRINTS_TO_BOTH))
    assert read(executor.replay(container)) == content
    assert read(executor.replay(container)) == content


def test_an_engine_that_saw_the_end_has_not_lost_it(executor: Executor) -> None:
    _, container = run(executor, execution_of(PRINTS_TO_BOTH))
    assert not executor.may_have_lost_the_end(container)


def test_replay_follows_while_the_container_runs_and_is_whole_once_it_has_exited(executor: Executor) -> None:
    execution = execution_of(SAYS_BYE_ON_SIGTERM)
    container = started(executor, execution)
    fragments = iter(executor.replay(container))
    assert next(fragments).content == b"up\n"
    executor.signal(execution.id, "SIGTERM")
    assert read(fragments)[Stream.STDOUT] in (b"", b"bye\n")  # where it exits meanwhile, the end may be missing
    assert executor.wait(container, 10).ended is not None
    assert read(executor.replay(container))[Stream.STDOUT] == b"up\nbye\n"


def test_replay_of_a_container_that_never_started_is_empty(executor: Executor) -> None:
    assert list(executor.replay(executor.create(execution_of(PRINTS_HI)))) == []


@pytest.mark.parametrize("connect", ["attach", "replay"])
def test_interrupt_ends_a_reader_that_waits(executor: Executor, connect: str) -> None:
    assert_interrupt_ends_a_reader(executor, connect)


@pytest.mark.parametrize("connect", ["attach", "replay"])
def test_a_reader_that_is_interrupted_before_it_begins_ends(executor: Executor, connect: str) -> None:
    assert_a_reader_that_is_interrupted_first_ends(executor, connect)


def test_interrupt_after_close_does_nothing(executor: Executor) -> None:
    reader = executor.attach(executor.create(execution_of(PRINTS_HI)))
    reader.close()
    reader.interrupt()
    reader.close()


def test_a_reader_ends_when_its_container_is_removed(executor: Executor) -> None:
    execution = execution_of(IGNORES_SIGTERM)
    container = executor.create(execution)
    reader = executor.attach(container)
    executor.start(container)
    fragments = iter(reader)
    next(fragments)
    executor.remove(execution.id)
    assert list(fragments) == []
