"""The route of the metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from flask import Blueprint, Response, current_app, g, request
from prometheus_client import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from jobrunner.api.context import current_farm
from jobrunner.api.metrics.families import farm_families
from jobrunner.api.metrics.node_families import node_families
from jobrunner.api.metrics.process import PROCESS_METRICS
from jobrunner.api.openapi.operation import TEXT, answers
from jobrunner.engine.farm import Farm
from jobrunner.engine.measures import farm_measures
from jobrunner.errors import Forbidden

OPENMETRICS = "application/openmetrics-text"

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
@answers(TEXT)
def show_metrics() -> Response:
    """What there is to measure, as Prometheus reads it: the farm, its nodes, and this API process.

    OpenMetrics for who accepts that. Where MongoDB or Redis does not answer, what it would have told is missing, and
    `jobrunner_store_up` or `jobrunner_queue_up` is 0.
    """
    farm = current_farm()
    if farm.caller.limits.task_pattern is not None:
        raise Forbidden("taskPattern", "must not be set for a key that reads metrics: they are of all tasks")
    families = [*_of_farm(farm), *current_app.extensions[PROCESS_METRICS].families()]
    if _prefers_openmetrics():
        return Response(openmetrics.generate_latest(_Families(families)), content_type=openmetrics.CONTENT_TYPE_LATEST)
    return Response(generate_latest(_Families(families)), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _prefers_openmetrics() -> bool:
    """Whichever version of it is named: there is one."""
    qualities: dict[str, float] = {}
    for kind, quality in request.accept_mimetypes:  # the best first
        qualities.setdefault(kind.partition(";")[0].strip().lower(), quality)
    return qualities.get(OPENMETRICS, 0) > qualities.get("text/plain", 0)


def _of_farm(farm: Farm) -> Iterator[Metric]:
    measures = farm_measures(farm, store_is_away="store_is_away" in g)
    yield from farm_families(measures)
    if measures.store is not None:
        yield from node_families(measures.store, measures.at, farm.settings.node_silent_seconds)


class _Families:
    """Metric families as prometheus-client takes them."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """All of them."""
        return self._families
