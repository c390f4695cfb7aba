"""The native API: fastlane's documented one, kept key for key, with more keys where users need them."""

from jobrunner.api.native import (  # noqa: F401 - each registers its routes
    blacklist,
    deliveries,
    events,
    executions,
    jobs,
    nodes,
    output,
    status,
    tasks,
)
from jobrunner.api.native.routing import blueprint

__all__ = ["blueprint"]
