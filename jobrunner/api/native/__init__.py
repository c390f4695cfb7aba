"""The native API: fastlane's documented one, kept key for key, with more keys where users need them."""

from jobrunner.api.native import deliveries, executions, jobs, nodes, output, tasks  # noqa: F401 - each registers its routes
from jobrunner.api.native.routing import blueprint

__all__ = ["blueprint"]
