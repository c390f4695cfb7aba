"""The Flask application."""

from __future__ import annotations

from flask import Flask, Response, request

from jobrunner.api import errors, health, native, openapi
from jobrunner.api.context import FARM
from jobrunner.api.request_body import drain_body, read_body
from jobrunner.engine.farm import Farm
from jobrunner.errors import Fault, InvalidRequest


def create_app(farm: Farm) -> Flask:
    """All routes, over one farm."""
    app = Flask(__name__, static_folder=None)
    app.extensions[FARM] = farm
    # A route answers with and without a slash at its end; a redirect would turn a client's POST into a GET. Rules are
    # written without it: of those, werkzeug also knows for both forms which methods are allowed.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.before_request(read_body)
    app.before_request(_check_path)
    app.after_request(_forbid_sniffing)
    app.after_request(drain_body)
    errors.register(app)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(native.blueprint)
    app.register_blueprint(openapi.blueprint)
    return app


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
