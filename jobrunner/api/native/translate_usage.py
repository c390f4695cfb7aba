"""From what a container has used up to the document of the native API. Pure."""

from __future__ import annotations

from typing import Any

from jobrunner.api.native.times import iso
from jobrunner.domain.usage import ResourceUsage


def usage_document(usage: ResourceUsage | None) -> dict[str, Any] | None:
    """The last sample; None where there is none, as of what ended within its first second."""
    return None if usage is None else {**usage.figures(), "sampledAt": iso(usage.sampled_at)}
