"""GET /openapi.json, and /docs/: the same as a page."""

from __future__ import annotations

import secrets

from flask import Blueprint, Response, current_app, jsonify, make_response, render_template

from jobrunner.api.context import current_farm
from jobrunner.api.native.urls import urls_for_request
from jobrunner.api.openapi.document import openapi_document

blueprint = Blueprint("openapi", __name__, template_folder="templates")


@blueprint.get("/openapi.json")
def show_openapi() -> Response:
    """All routes, in OpenAPI 3.1."""
    return jsonify(openapi_document(current_app, urls_for_request(current_farm().settings).base))


@blueprint.get("/docs")
def show_page() -> Response:
    """All routes, as a page to read: no script, and nothing from elsewhere."""
    document = openapi_document(current_app, urls_for_request(current_farm().settings).base)
    nonce = secrets.token_urlsafe(16)
    page = make_response(render_template("openapi.html", document=document, nonce=nonce))
    page.headers["Content-Security-Policy"] = f"default-src 'none'; style-src 'nonce-{nonce}'; frame-ancestors 'none'"
    return page
