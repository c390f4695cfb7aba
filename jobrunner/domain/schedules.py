"""When a job starts: the durations, instants and cron expressions that callers write."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadDateError, croniter

if TYPE_CHECKING:
    from jobrunner.domain.specs import JobSpec

_DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,8})m)?(?:(\d{1,9})s)?")
LATEST_INSTANT = datetime(2200, 1, 1, tzinfo=UTC)


def parse_duration(text: str) -> timedelta:
    """`2h30m50s` as a timedelta (fastlane's form of startIn). Raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if not match or not any(match.groups()):
        raise ValueError("must be a duration such as '2h30m50s', '5m' or '30s'")
    hours, minutes, seconds = (int(group or 0) for group in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def parse_instant(unix_seconds: float) -> datetime:
    """A UNIX time in seconds (UTC) as an aware datetime. Raises ValueError where it is out of range."""
    if not 0 <= unix_seconds <= LATEST_INSTANT.timestamp():
        raise ValueError("must be a UNIX time in seconds (UTC) between 1970 and 2200")
    return datetime.fromtimestamp(unix_seconds, UTC)


def check_cron(expression: str) -> str:
    """`expression`, if it is a cron of five or six fields, or a name such as @hourly. Raises ValueError."""
    fields = expression.split()
    has_a_form = len(fields) in (5, 6) or expression.startswith("@")
    is_random = any(part.lower().startswith("r") for field in fields for part in field.split(","))
    if len(expression) > 200 or not has_a_form or is_random or not croniter.is_valid(expression):
        raise ValueError("must be a cron expression such as '*/10 * * * *' or '@hourly'")
    try:
        croniter(expression, datetime(2000, 1, 1, tzinfo=UTC)).get_next(datetime)
    except CroniterBadDateError:
        raise ValueError("must be a cron expression whose time comes: it names a day that no month has") from None
    return expression


def check_timezone(name: str) -> str:
    """`name`, if the IANA database has such a zone. Raises ValueError."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be an IANA time zone such as 'UTC' or 'Europe/Berlin'") from None
    return name


def due_at(spec: JobSpec, now: datetime) -> datetime | None:
    """When a job that is taken in now is due: its startIn, its startAt, or the next instant of its cron; None: now."""
    if spec.start_in is not None:
        return now + parse_duration(spec.start_in)
    if spec.start_at is not None:
        return parse_instant(spec.start_at)
    if spec.cron is not None:
        return next_instant(spec.cron, spec.timezone, now)
    return None


def next_instant(cron: str, timezone: str, after: datetime) -> datetime:
    """The first instant of a cron, read in this IANA zone, that is later than `after`; in UTC.

    Clocks that go forward: a time that they leave out comes when they have gone forward. Clocks that go back: a cron
    of every hour goes on through the hour that comes twice; one that names hours starts at the first of the two.
    """
    zone = ZoneInfo(timezone)
    following: datetime = croniter(cron, after.astimezone(zone)).get_next(datetime)
    while following.astimezone(zone).fold and not _is_of_every_hour(cron):
        following = croniter(cron, following).get_next(datetime)
    return following.astimezone(UTC)


def next_instants(spec: JobSpec, after: datetime, count: int) -> list[datetime]:
    """The next instants of a job's cron that are later than `after` and not after its expiration, at most `count`."""
    found: list[datetime] = []
    while spec.cron is not None and len(found) < count:
        after = next_instant(spec.cron, spec.timezone, after)
        if spec.expires_at is not None and after > spec.expires_at:
            break
        found.append(after)
    return found


def _is_of_every_hour(cron: str) -> bool:
    _, hours, *_ = croniter.expand(cron)[0]
    return bool(hours == ["*"])


def tick_id(job_id: str, revision: int, instant: datetime) -> str:
    """The id of the execution of a cron job at one instant: always the same, so that a tick starts at most once."""
    return str(uuid.uuid5(uuid.UUID(job_id), f"{revision} {instant.astimezone(UTC).isoformat()}"))
