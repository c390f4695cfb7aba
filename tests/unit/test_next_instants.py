"""The next times of a cron, as the API shows them."""

from __future__ import annotations

from datetime import UTC, datetime

from jobrunner.domain.schedules import next_instants
from jobrunner.domain.specs import JobSpec

AFTER = datetime(2026, 3, 27, 12, 0, tzinfo=UTC)


def test_the_next_instants_follow_the_clock_of_the_zone_through_a_change() -> None:
    spec = JobSpec(image="a", cron="0 6 * * *", timezone="Europe/Berlin")
    assert next_instants(spec, AFTER, 3) == [
        datetime(2026, 3, day, hour, tzinfo=UTC) for day, hour in ((28, 5), (29, 4), (30, 4))
    ]


def test_there_is_no_instant_after_the_expiration() -> None:
    last = datetime(2026, 3, 27, 14, 0, tzinfo=UTC)
    spec = JobSpec(image="a", cron="@hourly", expiration=last.timestamp())
    assert next_instants(spec, AFTER, 5) == [datetime(2026, 3, 27, 13, 0, tzinfo=UTC), last]


def test_a_job_without_a_cron_has_none() -> None:
    assert next_instants(JobSpec(image="a", startIn="1h"), AFTER, 5) == []
