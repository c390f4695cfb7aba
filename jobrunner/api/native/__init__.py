"""The native API: fastlane's documented one, kept key for key, with more keys where users need them."""

from jobrunner.api.native import (  # noqa: F401 - each registers its routes
    api_keys,
    artifacts,
    audit,
    blacklist,
    bulk,
    deliveries,
    events,
    executions,
    files,
    jobs,
    live,
    nodes,
    output,
    output_search,
    status,
    tasks,
    templates,
)
from jobrunner.api.native.routing import blueprint

__all__ = ["blueprint"]
