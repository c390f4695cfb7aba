"""What this API process counts of itself: the requests that it answers, and who follows something."""

from __future__ import annotations

import time
from collections.abc import Iterator

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, ProcessCollector

from jobrunner.api.live.handover import LIVE_SERVER
from jobrunner.api.native.events import HUB

PROCESS_METRICS = "jobrunner.process_metrics"
LATENCY_BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "none"
OTHER_METHOD = "other"


class ProcessMetrics:
    """The metrics of one application. Labels are bounded: of paths only the templates of routes."""

    def __init__(self, app: Flask) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "jobrunner_http_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._durations = Histogram(
            "jobrunner_http_request_duration_seconds",
            "Until the answer; of one that is streamed, until it begins.",
            ("method", "route"),
            buckets=LATENCY_BOUNDS_SECONDS,
            registry=self._registry,
        )
        self._limited = Counter(
            "jobrunner_http_rate_limited", "Requests refused by a rate limit.", ("by",), registry=self._registry
        )
        followers = Gauge("jobrunner_followers", "Clients that follow an output.", registry=self._registry)
        followers.set_function(lambda: app.extensions[LIVE_SERVER].followers)
        listeners = Gauge("jobrunner_event_listeners", "Clients that listen to the events.", registry=self._registry)
        listeners.set_function(lambda: app.extensions[HUB].listeners)
        app.before_request(self._begin)
        app.after_request(self._count)

    def count_limited(self, by: str) -> None:
        """A request was refused by the rate limit of addresses, or of keys."""
        self._limited.labels(by).inc()

    def families(self) -> Iterator[Metric]:
        """All of them as they are now, but when each was begun to be counted."""
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family

    @staticmethod
    def _begin() -> None:
        g.began = time.monotonic()

    def _count(self, response: Response) -> Response:
        method = request.method if request.method in METHODS else OTHER_METHOD
        route = request.url_rule.rule if request.url_rule is not None else NO_ROUTE
        self._requests.labels(method, route, response.status_code).inc()
        self._durations.labels(method, route).observe(time.monotonic() - g.began)
        return response
