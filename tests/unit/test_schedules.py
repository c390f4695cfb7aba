"""Durations, instants and crons; both changes of the clocks in Europe and in America."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunner.domain.identifiers import new_id
from jobrunner.domain.schedules import (
    check_cron,
    check_timezone,
    due_at,
    next_instant,
    parse_duration,
    parse_instant,
    tick_id,
)
from jobrunner.domain.specs import JobSpec

NOW = datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC)


def local_ticks(cron: str, timezone: str, first_day: str, days: int) -> list[str]:
    """All ticks of a cron from the beginning of a day on, as the clocks on the wall show them: "25 02:30 +0100"."""
    zone = ZoneInfo(timezone)
    begin = datetime.fromisoformat(first_day).replace(tzinfo=zone)
    end = (begin + timedelta(days=days)).astimezone(UTC)  # on the wall, so also where a day has 23 or 25 hours
    instant, ticks = begin.astimezone(UTC) - timedelta(seconds=1), []
    while (instant := next_instant(cron, timezone, instant)) < end:
        ticks.append(instant.astimezone(zone).strftime("%d %H:%M %z"))
    return ticks


# ------------------------------------------------------------------------------------------------- durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h30m50s", 9050), ("5m", 300), ("30s", 30), ("1h", 3600), ("0s", 0), (" 1m1s ", 61), ("90m", 5400)],
)
def test_a_duration_is_read(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", " ", "h", "5", "5d", "-5s", "1.5h", "5s1m", "1h 2m", "2H", "9" * 400 + "s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        parse_duration(text)


def test_the_longest_duration_is_within_what_dates_can_hold() -> None:
    assert NOW + parse_duration("999999h99999999m999999999s") > NOW


# -------------------------------------------------------------------------------------------------- instants


def test_a_unix_time_is_read_as_utc() -> None:
    assert parse_instant(1_800_000_000.25) == datetime(2027, 1, 15, 8, 0, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize("unix_seconds", [-1, 1e12, float("inf"), float("nan"), 10**400])
def test_a_time_out_of_range_is_refused(unix_seconds: float) -> None:
    with pytest.raises(ValueError, match="must be a UNIX time"):
        parse_instant(unix_seconds)


# ------------------------------------------------------------------------------------------------------ cron


@pytest.mark.parametrize(
    "expression", ["* * * * *", "*/10 * * * *", "0 3 * * mon-fri", "0 0 29 2 *", "@hourly", "@daily", "*/5 * * * * *"]
)
def test_a_usable_cron_is_kept_as_it_is(expression: str) -> None:
    assert check_cron(expression) == expression


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "x",
        "* * * *",
        "* * * * * * *",
        "60 * * * *",
        "*/0 * * * *",
        "@reboot",
        "@nonsense",
        "R * * * *",
        "* r(1-5) * * *",
    ]
    + ["H * * * *", "* * * * *" + " " * 200, "0,0," * 100],
)
def test_what_is_no_cron_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="must be a cron expression"):
        check_cron(expression)


@pytest.mark.parametrize("expression", ["0 0 30 2 *", "0 0 31 4,6,9,11 *"])
def test_a_cron_whose_time_never_comes_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="names a day that no month has"):
        check_cron(expression)


def test_the_next_instant_is_later_even_on_a_tick() -> None:
    tick = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
    assert next_instant("* * * * *", "UTC", tick) == tick + timedelta(minutes=1)


def test_a_cron_is_read_in_its_own_zone() -> None:
    assert next_instant("0 3 * * *", "Asia/Tokyo", NOW) == datetime(2026, 5, 1, 18, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("timezone", "day", "winter", "summer"),
    [("Europe/Berlin", "2026-03-28", "+0100", "+0200"), ("America/New_York", "2026-03-07", "-0500", "-0400")],
)
def test_clocks_go_forward(timezone: str, day: str, winter: str, summer: str) -> None:
    """A daily job starts every day, at a time that is left out when the clocks have gone forward; hours are no gap."""
    first = int(day[-2:])
    days = [f"{first + n:02}" for n in range(3)]
    assert local_ticks("30 2 * * *", timezone, day, 3) == [
        f"{days[0]} 02:30 {winter}",
        f"{days[1]} 03:00 {summer}",
        f"{days[2]} 02:30 {summer}",
    ]
    assert local_ticks("0 * * * *", timezone, day, 3)[23:29] == [
        f"{days[0]} 23:00 {winter}",
        f"{days[1]} 00:00 {winter}",
        f"{days[1]} 01:00 {winter}",
        f"{days[1]} 03:00 {summer}",
        f"{days[1]} 04:00 {summer}",
        f"{days[1]} 05:00 {summer}",
    ]


@pytest.mark.parametrize(
    ("timezone", "day", "hour", "winter", "summer"),
    [("Europe/Berlin", "2026-10-24", 2, "+0100", "+0200"), ("America/New_York", "2026-10-31", 1, "-0500", "-0400")],
)
def test_clocks_go_back(timezone: str, day: str, hour: int, winter: str, summer: str) -> None:
    """A daily job starts once a day, at the first of two equal times; a cron of every hour goes on through both."""
    days = [(datetime.fromisoformat(day) + timedelta(days=n)).strftime("%d") for n in range(3)]
    assert local_ticks(f"30 {hour} * * *", timezone, day, 3) == [
        f"{days[0]} {hour:02}:30 {summer}",
        f"{days[1]} {hour:02}:30 {summer}",
        f"{days[2]} {hour:02}:30 {winter}",
    ]
    around = [tick for tick in local_ticks("*/30 * * * *", timezone, day, 3) if tick.startswith(f"{days[1]} {hour:02}")]
    assert around == [
        f"{days[1]} {hour:02}:00 {summer}",
        f"{days[1]} {hour:02}:30 {summer}",
        f"{days[1]} {hour:02}:00 {winter}",
        f"{days[1]} {hour:02}:30 {winter}",
    ]


LORD_HOWE_GAP = ["04 02:30 +1100", "04 02:45 +1100"]  # for 02:15, and 02:45

# Each change with the wall clock around it: the zone, a day, the cron, and when it starts on that day.
CHANGES = [
    # half an hour is left out from 02:00, and comes twice from 01:30
    ("Australia/Lord_Howe", "2026-10-04", "15 2 * * *", ["04 02:30 +1100"]),
    ("Australia/Lord_Howe", "2026-10-04", "15,45 1,2 * * *", ["04 01:15 +1030", "04 01:45 +1030"] + LORD_HOWE_GAP),
    ("Australia/Lord_Howe", "2026-04-05", "45 1 * * *", ["05 01:45 +1100"]),
    ("Australia/Lord_Howe", "2026-04-05", "15 2 * * *", ["05 02:15 +1030"]),
    # the day begins at 01:00; the evening before the day has 25 hours, its last comes twice
    ("Africa/Cairo", "2026-04-24", "@daily", ["24 01:00 +0300"]),
    ("Africa/Cairo", "2026-04-24", "30 0 * * *", ["24 01:00 +0300"]),
    ("Africa/Cairo", "2026-10-29", "30 23 * * *", ["29 23:30 +0300"]),
    ("America/Asuncion", "2023-10-01", "0 0 * * *", ["01 01:00 -0300"]),
    ("America/Asuncion", "2024-03-23", "59 23 * * *", ["23 23:59 -0300"]),
    # an hour from 02:00, and twice from 02:00 and from 01:00
    ("Europe/Berlin", "2026-03-29", "15,45 2 * * *", ["29 03:00 +0200"]),
    ("Europe/Berlin", "2026-03-29", "30 2,3 * * *", ["29 03:00 +0200", "29 03:30 +0200"]),
    ("Europe/Berlin", "2026-10-25", "0,30 2 * * * 30", ["25 02:00 +0200", "25 02:30 +0200"]),
    ("America/New_York", "2026-03-08", "30 2 * * *", ["08 03:00 -0400"]),
    ("America/New_York", "2026-11-01", "30 1 * * *", ["01 01:30 -0400"]),
]


@pytest.mark.parametrize(("timezone", "day", "cron", "starts"), CHANGES)
def test_a_cron_that_names_hours_starts_once_where_a_time_is_left_out_or_comes_twice(
    timezone: str, day: str, cron: str, starts: list[str]
) -> None:
    assert local_ticks(cron, timezone, day, 1) == starts


@pytest.mark.parametrize("timezone", sorted({change[0] for change in CHANGES}))
@pytest.mark.parametrize(("cron", "seconds"), [("* * * * *", 60), ("*/30 * * * *", 1800), ("* * * * * */20", 20)])
def test_a_cron_of_every_hour_keeps_its_pace_through_every_change(timezone: str, cron: str, seconds: int) -> None:
    for day in {change[1] for change in CHANGES if change[0] == timezone}:
        instant = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(timezone)).astimezone(UTC) - timedelta(hours=2)
        for _ in range(10 * 3600 // seconds):
            following = next_instant(cron, timezone, instant)
            assert (following - instant).total_seconds() == seconds
            instant = following


@given(
    st.sampled_from(["*/7 * * * *", "0 2 * * *", "30 1,2,3 * * *", "@daily", "0 0 29 2 *", "15 */6 * * sun"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana"]),
    st.integers(1_735_000_000, 1_900_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
)
def test_ticks_go_forward_and_depend_on_nothing_but_the_instant(cron: str, timezone: str, after: datetime) -> None:
    first = next_instant(cron, timezone, after)
    assert after < first
    assert first < next_instant(cron, timezone, first)
    assert next_instant(cron, timezone, first - timedelta(seconds=1)) == first


@pytest.mark.parametrize("name", ["", "Nowhere/City", "../etc/passwd", "/etc/localtime", "Europe", "a\0b", "x" * 5000])
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must be an IANA time zone"):
        check_timezone(name)


# -------------------------------------------------------------------------------------------------- due, ticks


def test_a_job_without_a_start_is_due_now() -> None:
    assert due_at(JobSpec(image="busybox"), NOW) is None


def test_a_job_is_due_when_it_says() -> None:
    assert due_at(JobSpec(image="busybox", start_in="1m30s"), NOW) == NOW + timedelta(seconds=90)
    assert due_at(JobSpec(image="busybox", start_at=1_800_000_000), NOW) == parse_instant(1_800_000_000)
    assert due_at(JobSpec(image="busybox", cron="* * * * *"), NOW) == NOW + timedelta(seconds=30)


def test_the_id_of_a_tick_is_that_of_its_job_revision_and_instant() -> None:
    job_id = new_id()
    same = {tick_id(job_id, 0, NOW), tick_id(job_id, 0, NOW.astimezone(ZoneInfo("Asia/Tokyo")))}
    assert len(same) == 1
    others = {tick_id(job_id, 1, NOW), tick_id(new_id(), 0, NOW), tick_id(job_id, 0, NOW + timedelta(minutes=1))}
    assert len(same | others) == 4
