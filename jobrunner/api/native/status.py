"""The route of the farm's status."""

from __future__ import annotations

from jobrunner.api.context import current_farm
from jobrunner.api.native.documents.status import StatusDocument
from jobrunner.api.native.routing import route
from jobrunner.api.native.translate import Document
from jobrunner.api.native.translate_status import status_document
from jobrunner.api.native.urls import urls_for_request
from jobrunner.api.openapi.operation import answers
from jobrunner.engine.status import farm_status


@route("GET", "/status")
@answers(StatusDocument)
def show_status() -> Document:
    """The farm now: nodes, what runs, what waits, and counts."""
    farm = current_farm()
    return status_document(farm_status(farm), farm.settings.node_silent_seconds, urls_for_request(farm.settings))
