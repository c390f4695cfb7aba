"""Judges a run: what was promised against what came. Pure: from a record to the list of what is wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tests.chaos.jobs import CRON_SECONDS, EVENTS, FIRST_WORD, KINDS, UUID_LENGTH, Kind
from tests.chaos.records import DISK_OF_ENGINE, ENGINE, IMAGE, Absence, Answer, Run, SeenExecution, SentJob

ORDER = {"scheduled": 0, "enqueued": 1, "pulling": 2, "running": 3}  # all others are terminal
OVER = 4
START_SECONDS = 10.0  # how long a process may take to start on a busy machine
CLOSE_SECONDS = 10.0  # ... and how long it may take from the end of a container to that of its execution
CATCH_UP_SECONDS = 2.0 * CRON_SECONDS  # a cron that is stopped may be so far behind


@dataclass(frozen=True)
class Violation:
    """A promise that was not kept. `promise`: one of lost, doubled, stuck, ended wrong, output, ..."""

    promise: str
    text: str


Rule = Callable[[Run], Iterator[Violation]]


def violations(run: Run) -> list[Violation]:
    """All of them."""
    return [found for rule in RULES for found in rule(run)]


def _kind_of(run: Run) -> dict[str, Kind]:
    return {sent.id: KINDS[sent.kind] for sent in run.sent}


def _chains(run: Run) -> dict[tuple[str, float | None], list[SeenExecution]]:
    """The attempts of each job, of a cron those of each tick, the first one first."""
    chains: dict[tuple[str, float | None], list[SeenExecution]] = defaultdict(list)
    for execution in sorted(run.executions, key=lambda execution: execution.attempt):
        chains[execution.job_id, execution.tick_at].append(execution)
    return chains


# ------------------------------------------------------------------------------------------- accepted is kept


def accepted_is_kept(run: Run) -> Iterator[Violation]:
    """What was answered with 2xx is there, and so is all that MongoDB ever had."""
    jobs = {execution.job_id for execution in run.executions}
    there = {execution.id for execution in run.executions}
    for sent in run.sent:
        if sent.answer is Answer.ACCEPTED and (sent.id not in jobs or sent.execution_id not in there | {None}):
            yield Violation("lost", f"{_of(sent)} was accepted, and has no execution")
        if sent.answer is Answer.WRONG:
            yield Violation("wrong answer", f"{_of(sent)} was answered with {sent.said}")
    for execution_id in sorted({seen.execution_id for seen in run.states} - there):
        yield Violation("lost", f"execution {execution_id} was seen, and is not there any more")


def all_ends(run: Run) -> Iterator[Violation]:
    """Every execution is terminal within the bound."""
    if run.settled_at is None:
        yield Violation("stuck", "not everything was over within the bound after the last fault")
    for execution in run.executions:
        if _rank(execution.status) != OVER:
            yield Violation("stuck", f"{_named(execution)} is {execution.status}")


def ends_as_it_should(run: Run) -> Iterator[Violation]:
    """By its own exit code; else there is a fault that explains the end."""
    kinds, stopped = _kind_of(run), {sent.id: sent.stopped_at for sent in run.sent}
    for execution in run.executions:
        if _rank(execution.status) == OVER and not _explained(
            run, execution, kinds[execution.job_id], stopped[execution.job_id]
        ):
            what = f"{_named(execution)} ended as {execution.status} ({execution.cause}, {execution.exit_code})"
            yield Violation("ended wrong", f"{what}, and no fault explains it: {execution.reason}")


def _explained(run: Run, execution: SeenExecution, kind: Kind, stopped_at: float | None) -> bool:
    match execution.status, execution.cause:
        case "done", "success":
            return execution.exit_code == kind.exit_code == 0
        case "failed", "exit_code":
            return execution.exit_code == kind.exit_code != 0 or _engine_was_away(run, execution)
        case "failed", "container_rejected":  # the Engine died while it started the container, or has no room for it
            return _engine_was_away(run, execution) or _ended_while(run, execution, DISK_OF_ENGINE)
        case "failed", "image_not_found":
            return _ended_while(run, execution, IMAGE)
        case ("failed", "killed") | ("lost", "container_vanished"):
            removed = {fault.container_id for fault in run.faults} - {""}
            return execution.container_id in removed or _engine_was_away(run, execution)
        case "lost", "node_lost":
            return _node_was_away(run, execution) or _engine_was_away(run, execution)
        case "stopped", "stopped":  # or its container ended by itself, and the wish came before that was known
            finished_at = execution.finished_at
            return stopped_at is not None and finished_at is not None and finished_at + CLOSE_SECONDS >= stopped_at
    return False


def _engine_was_away(run: Run, execution: SeenExecution) -> bool:
    """Whether the Engine was ended in its time: that may end containers, and what they write meanwhile nobody keeps."""
    return _ended_while(run, execution, ENGINE)


def _ended_while(run: Run, execution: SeenExecution, kinds: str) -> bool:
    """Whether it ended after a fault whose kind begins so, and was there before that was over."""
    at = execution.finished_at or 0.0
    return any(
        fault.kind.startswith(kinds) and fault.began_at <= at and execution.created_at <= fault.ended_at
        for fault in run.faults
    )


def _node_was_away(run: Run, execution: SeenExecution) -> bool:
    """Whether the worker was away for as long as it takes to be given up: its last beat may be one beat older.

    It begins to beat when it has started, which takes its time too.
    """
    silent = run.settings["node_silent_seconds"]
    earliest, at = silent - run.settings["node_beat_seconds"], execution.finished_at or 0.0
    absences = _merged(sorted((a for a in run.absences if a.process == execution.node), key=lambda away: away.since))
    return any(away.since + earliest <= at <= away.until + silent for away in absences)


def _merged(absences: Sequence[Absence]) -> list[Absence]:
    """Those that follow each other so soon that the process may not have come to its work between them, as one."""
    merged: list[Absence] = []
    for away in absences:
        if merged and away.since - merged[-1].until < START_SECONDS:
            merged[-1] = replace(merged[-1], until=max(merged[-1].until, away.until))
        else:
            merged.append(away)
    return merged


# ------------------------------------------------------------------------------------ one container an attempt


def attempts_follow_each_other(run: Run) -> Iterator[Violation]:
    """One execution for each attempt; as many as the job asks for, and none after a success."""
    kinds = _kind_of(run)
    for chain in _chains(run).values():
        numbers, last = [execution.attempt for execution in chain], chain[-1]
        retries = kinds[last.job_id].retries
        if len(set(numbers)) < len(numbers):
            yield Violation("doubled", f"job {last.job_id} has attempts {numbers}")
        elif numbers != list(range(1, len(chain) + 1)):
            yield Violation("lost", f"job {last.job_id} has attempts {numbers}")
        if len(chain) > retries + 1 or any(execution.status == "done" for execution in chain[:-1]):
            yield Violation("doubled", f"{_named(last)} is one too many")
        if last.status in ("failed", "lost") and last.attempt <= retries:
            yield Violation("lost", f"{_named(last)} was {last.status}, and was not tried again")


def one_container_an_attempt(run: Run) -> Iterator[Violation]:
    """The Engine has made and started one container at most; exactly one for what ended by itself."""
    made = Counter(event.execution_id for event in run.container_events if event.action == "create")
    started = Counter(event.execution_id for event in run.container_events if event.action == "start")
    for execution_id in sorted(made.keys() | started.keys()):
        if made[execution_id] > 1 or started[execution_id] > 1:
            counts = f"{made[execution_id]} containers and {started[execution_id]} starts"
            yield Violation("doubled", f"execution {execution_id} had {counts}")
    sees_all = not any(fault.kind.startswith(ENGINE) for fault in run.faults)  # an Engine that died forgot its events
    kinds = _kind_of(run)
    for execution in run.executions:
        if sees_all and _ended_by_itself(execution, kinds[execution.job_id]) and not started[execution.id]:
            yield Violation("witness", f"{_named(execution)} is {execution.status}, and nobody saw it start")
    for execution_id in sorted(started.keys() - {execution.id for execution in run.executions}):
        yield Violation("lost", f"a container of execution {execution_id} was started, and nobody knows of it")


# --------------------------------------------------------------------------------------------------- all output


def output_is_whole(run: Run) -> Iterator[Violation]:
    """Every line once and in order; where the end came from outside, from the first one on."""
    kinds = _kind_of(run)
    for execution in run.executions:
        kind = kinds[execution.job_id]
        must_be_whole = _ended_by_itself(execution, kind) and not _engine_was_away(run, execution)
        if fault := stream_fault(execution.stdout, kind, must_be_whole=must_be_whole, has_first_line=True):
            yield Violation("output", f"stdout of {_named(execution)}: {fault}")
        if fault := stream_fault(execution.stderr, kind, must_be_whole=must_be_whole, has_first_line=False):
            yield Violation("output", f"stderr of {_named(execution)}: {fault}")


def stream_fault(stored: bytes, kind: Kind, *, must_be_whole: bool, has_first_line: bool) -> str:
    """What is wrong with what is stored of a stream; empty: nothing is."""
    first = len(FIRST_WORD) + UUID_LENGTH + 1 if has_first_line else 0
    if not FIRST_WORD.startswith(stored[: min(first, len(FIRST_WORD))]):
        return f"it begins with {stored[:40]!r}"
    expected, lines = kind.numbered(), stored[first:]
    if must_be_whole and len(stored) < first + len(expected):
        return f"{first + len(expected) - len(stored)} bytes are missing" + _where(lines, expected)
    return "" if expected.startswith(lines) else "it is not what was written" + _where(lines, expected)


def _where(lines: bytes, expected: bytes) -> str:
    same = next((i for i, (a, b) in enumerate(zip(lines, expected, strict=False)) if a != b), None)
    if same is None:
        same = min(len(lines), len(expected))
    around = slice(max(0, same - 20), same + 20)
    return f", from byte {same} on: {lines[around]!r} in place of {expected[around]!r}"


# -------------------------------------------------------------------------------------------------- closed once


def terminal_states_stay(run: Run) -> Iterator[Violation]:
    """States only go forward; once an end was seen, nothing else is, and the end is the one that the API tells."""
    told = {execution.id: execution.status for execution in run.executions}
    by_source: dict[tuple[str, str], list[str]] = defaultdict(list)
    for seen in run.states:
        states = by_source[seen.execution_id, seen.source]
        if not states or states[-1] != seen.state:
            states.append(seen.state)
    for (execution_id, source), states in by_source.items():
        ranks = [_rank(state) for state in states]
        if any(after <= before for before, after in pairwise(ranks)):
            yield Violation("reopened", f"{source}: execution {execution_id} was {', then '.join(states)}")
        elif ranks[-1] == OVER and states[-1] != told.get(execution_id, states[-1]):
            yield Violation("reopened", f"{source}: execution {execution_id} was {states[-1]}, is {told[execution_id]}")


# --------------------------------------------------------------------------------------------------- deliveries


def owed_deliveries_arrive(run: Run) -> Iterator[Violation]:
    """Each one that is owed was taken by the receiver at least once, under one id, and nothing else came."""
    kinds = _kind_of(run)
    started = {event.execution_id for event in run.container_events if event.action == "start"}
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for call in run.calls:
        ids[call.execution_id, call.event].add(call.delivery_id)
    taken = {(call.execution_id, call.event) for call in run.calls if call.taken}
    for execution in run.executions:
        owed = _owed(execution, kinds[execution.job_id], execution.id in started)
        for event in owed:
            if (execution.id, event) not in taken:
                state = execution.deliveries.get(event, "not there")
                yield Violation("delivery", f"{event} of {_named(execution)} was not received; it is {state}")
        for event in EVENTS.values():
            # Of a start that nobody saw (its event was lost with the Engine) it cannot be said that it was not owed.
            if event not in owed | {EVENTS["starts"]} and ids[execution.id, event]:
                yield Violation("delivery", f"{event} of {_named(execution)} came, and was not owed")
    for (execution_id, event), of_one in ids.items():
        if len(of_one) > 1:
            yield Violation("delivery", f"{event} of execution {execution_id} came under ids {sorted(of_one)}")


def _owed(execution: SeenExecution, kind: Kind, was_started: bool) -> set[str]:
    moments = {"starts"} if was_started else set()
    if execution.retried_by is None and execution.status in ("done", "failed", "lost", "stopped"):
        moments |= {"finishes"}
        moments |= {"done": {"succeeds"}, "failed": {"fails"}, "lost": {"fails"}}.get(execution.status, set())
    return {EVENTS[moment] for moment in moments & set(kind.hooks)}


# -------------------------------------------------------------------------------------------------------- ticks


def ticks_come_once(run: Run) -> Iterator[Violation]:
    """Every instant of a cron, from its acceptance to its stop, has exactly one first attempt, and no other has one."""
    for sent in run.sent:
        if KINDS[sent.kind].is_cron and sent.answer is Answer.ACCEPTED:
            yield from _ticks_of(run, sent)


def _ticks_of(run: Run, sent: SentJob) -> Iterator[Violation]:
    ticks = Counter(
        execution.tick_at
        for execution in run.executions
        if execution.job_id == sent.id and execution.attempt == 1 and execution.tick_at is not None
    )
    for instant, count in ticks.items():
        if count > 1 or instant % CRON_SECONDS:
            yield Violation("doubled", f"{_of(sent)} has {count} executions for {instant}")
    first = (sent.sent_at + sent.seconds) // CRON_SECONDS * CRON_SECONDS + CRON_SECONDS
    last = (sent.stopped_at or run.load_ended_at) - CATCH_UP_SECONDS
    instants = (first + step * CRON_SECONDS for step in range(int(max(0.0, last - first) // CRON_SECONDS) + 1))
    for missing in [instant for instant in instants if instant <= last and instant not in ticks]:
        yield Violation("lost", f"{_of(sent)} has no execution for its tick {missing}")


# ------------------------------------------------------------------------------------------------- nothing left


def nothing_is_left(run: Run) -> Iterator[Violation]:
    """No container, no message, no alarm."""
    for what in run.left_over:
        yield Violation("left over", what)


def processes_behave(run: Run) -> Iterator[Violation]:
    """None ends by itself, and each ends when it is told to."""
    for what in run.oddities:
        yield Violation("process", what)


RULES: Sequence[Rule] = (
    accepted_is_kept,
    all_ends,
    ends_as_it_should,
    attempts_follow_each_other,
    one_container_an_attempt,
    output_is_whole,
    terminal_states_stay,
    owed_deliveries_arrive,
    ticks_come_once,
    nothing_is_left,
    processes_behave,
)


def _ended_by_itself(execution: SeenExecution, kind: Kind) -> bool:
    is_exit = (execution.status, execution.cause) in (("done", "success"), ("failed", "exit_code"))
    return is_exit and execution.exit_code == kind.exit_code


def _rank(state: str) -> int:
    return ORDER.get(state, OVER)


def _of(sent: SentJob) -> str:
    return f"the job {sent.id} ({sent.kind})"


def _named(execution: SeenExecution) -> str:
    return f"attempt {execution.attempt} of job {execution.job_id} (execution {execution.id})"
