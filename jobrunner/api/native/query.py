"""The parameters in the query string of a request, checked. Each raises InvalidRequest, naming the parameter."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NoReturn

from flask import request

from jobrunner.domain.identifiers import check_task_id
from jobrunner.domain.labels import MOST_LABELS, check_label_term
from jobrunner.domain.listing import JobState, Position
from jobrunner.domain.schedules import parse_instant
from jobrunner.domain.states import State
from jobrunner.errors import Fault, InvalidRequest

LAST_PAGE = 1_000_000
MOST_LAST_LINES = 1_000_000
LARGEST_OFFSET = 2**53
MOST_LINES_TO_FOLLOW_FROM = 10_000
_FLAGS = {"": False, "0": False, "false": False, "1": True, "true": True}
_DIGITS = re.compile(r"[0-9]{1,16}")
_UNIX_SECONDS = re.compile(r"[0-9]{1,16}(\.[0-9]{1,9})?")


def page() -> int:
    """?page=, counted from 1."""
    return _whole_number("page", default=1, lowest=1, highest=LAST_PAGE)


def offset() -> int:
    """?offset=, in bytes."""
    return _whole_number("offset", default=0, lowest=0, highest=LARGEST_OFFSET)


def tail() -> int | None:
    """?tail=, in lines; None: all of them."""
    return _whole_number("tail", default=0, lowest=0, highest=MOST_LAST_LINES) if "tail" in request.args else None


def limit() -> int:
    """?limit=: how many items an answer has at most."""
    return _whole_number("limit", default=100, lowest=1, highest=1000)


def follow() -> bool:
    """?follow=1 or true."""
    return flag("follow")


def flag(name: str) -> bool:
    """?name=1 or true."""
    value = _FLAGS.get(request.args.get(name, "").lower())
    return _refuse(name, "must be 1 or 0") if value is None else value


def choice(name: str, options: tuple[str, ...]) -> str:
    """One of these words; the first where the parameter is not given."""
    chosen = request.args.get(name, options[0])
    return chosen if chosen in options else _refuse(name, f"must be one of {', '.join(options)}")


def last_lines() -> int:
    """?tail= of a follower: how many lines of what is there already."""
    return _whole_number("tail", default=0, lowest=0, highest=MOST_LINES_TO_FOLLOW_FROM)


def states() -> list[State]:
    """?status=running,failed: the states that are asked for; none: all."""
    names = [name for value in request.args.getlist("status") for name in value.split(",") if name]
    unknown = next((name for name in names if name not in set(State)), None)
    if unknown is not None:
        _refuse("status", f"must be one or more of {', '.join(State)}, parted by commas, not {unknown!r}")
    return [State(name) for name in dict.fromkeys(names)]


def instant(name: str) -> datetime | None:
    """?since= or ?until=, an instant: ISO 8601 (UTC where it names no zone), or UNIX seconds."""
    text = request.args.get(name)
    if not text:
        return None
    try:
        return parse_instant(float(text)) if _UNIX_SECONDS.fullmatch(text) else _iso_instant(text)
    except (ValueError, OverflowError):
        _refuse(name, "must be a time such as 2026-05-01T12:00:00Z, or UNIX seconds ('+' is written %2B in a URL)")


def only(*names: str) -> None:
    """Refuse parameters of other names: a filter that is misspelt would give another list than the one asked for."""
    unknown = next((name for name in request.args if name not in names), None)
    if unknown == "page":
        _refuse("page", "is not taken here: follow nextUrl, which stays right while new items come")
    if unknown is not None:
        _refuse(unknown, f"is not known here; known are {', '.join(names)}")


def task() -> str | None:
    """?task=, the id of one."""
    task_id = request.args.get("task")
    return check_task_id(task_id) if task_id else None


def job_state() -> JobState | None:
    """?state=scheduled, paused or stopped."""
    name = request.args.get("state")
    if name and name not in set(JobState):
        _refuse("state", f"must be one of {', '.join(JobState)}, not {name!r}")
    return JobState(name) if name else None


def labels() -> list[str]:
    """?label=name or ?label=name=value, as often as wanted: all of them must be there."""
    terms = request.args.getlist("label")
    if len(terms) > MOST_LABELS:
        _refuse("label", f"must not be given more than {MOST_LABELS} times")
    try:
        return [check_label_term(term) for term in dict.fromkeys(terms)]
    except ValueError as error:
        _refuse("label", str(error))


def after() -> Position | None:
    """?after=, as a nextUrl has it."""
    cursor = request.args.get("after")
    try:
        return Position.parse(cursor) if cursor else None
    except (ValueError, OverflowError) as error:
        _refuse("after", str(error))


def _iso_instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _whole_number(name: str, default: int, lowest: int, highest: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    if not _DIGITS.fullmatch(text) or not lowest <= int(text) <= highest:
        _refuse(name, f"must be a whole number from {lowest} to {highest}")
    return int(text)


def _refuse(name: str, reason: str) -> NoReturn:
    raise InvalidRequest(Fault(name, reason))
