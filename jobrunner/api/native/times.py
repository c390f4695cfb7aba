"""How the native API writes an instant."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(instant: datetime | None) -> str | None:
    """ISO 8601 in UTC without a zone, in microseconds: that is how fastlane writes it."""
    if instant is None:
        return None
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
