"""The Flask application."""

from __future__ import annotations

from flask import Flask, Response, request

from jobrunner.api import audit, compression, cross_site, errors, health, native, openapi, request_id
from jobrunner.api.auth import Guard
from jobrunner.api.context import AUDIT_TRAIL, FARM, GATEKEEPER
from jobrunner.api.live.handover import LIVE_SERVER
from jobrunner.api.live.server import LiveServer
from jobrunner.api.metrics import routes as metrics
from jobrunner.api.metrics.process import PROCESS_METRICS, ProcessMetrics
from jobrunner.api.read_deadline import request_has_arrived
from jobrunner.api.request_body import drain_body, read_body
from jobrunner.engine.audit import AuditTrail
from jobrunner.engine.farm import Farm
from jobrunner.engine.keys import Gatekeeper
from jobrunner.errors import Fault, InvalidRequest


def create_app(farm: Farm) -> Flask:
    """All routes, over one farm."""
    app = Flask(__name__, static_folder=None)
    app.extensions[FARM] = farm
    app.extensions[GATEKEEPER] = Gatekeeper(farm)
    app.extensions[AUDIT_TRAIL] = AuditTrail(farm)
    app.extensions[LIVE_SERVER] = LiveServer(farm)
    app.extensions[native.events.HUB] = native.events.make_hub(farm)
    app.extensions[PROCESS_METRICS] = ProcessMetrics(app)  # the first to see a request, and the last to see its answer
    # A route answers with and without a slash at its end; a redirect would turn a client's POST into a GET. Rules are
    # written without it: of those, werkzeug also knows for both forms which methods are allowed.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    compression.register(app)  # what is registered first sees the answer last
    cross_site.allow_origins(app, farm.settings)
    request_id.register(app)
    app.before_request(read_body)
    app.before_request(request_has_arrived)
    app.before_request(_check_path)
    Guard(app, app.extensions[GATEKEEPER], farm.settings)
    audit.register(app, app.extensions[AUDIT_TRAIL])
    app.after_request(_forbid_sniffing)
    app.after_request(drain_body)
    errors.register(app)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(native.blueprint)
    app.register_blueprint(metrics.blueprint)
    app.register_blueprint(openapi.blueprint)
    return app


def close_app(app: Flask, timeout_seconds: float) -> None:
    """Store what the audit trail still holds. Call it once, when the process ends."""
    trail: AuditTrail = app.extensions[AUDIT_TRAIL]
    trail.close(timeout_seconds)


def _check_path() -> None:
    """Refuse a path that is no UTF-8: Flask would put replacement characters into the ids."""
    try:
        request.environ["PATH_INFO"].encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest(Fault("path", "must be UTF-8, percent-encoded")) from None


def _forbid_sniffing(response: Response) -> Response:
    # Output is text that strangers wrote: no browser is to take it for a page with scripts.
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
