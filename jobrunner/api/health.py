"""GET /healthcheck/: whether the services that the API needs answer."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from jobrunner.api.context import current_farm
from jobrunner.api.errors import error_body
from jobrunner.api.native.documents.status import HealthDocument
from jobrunner.api.openapi.operation import answers
from jobrunner.errors import Fault, ServiceUnavailable

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthcheck")
@answers(HealthDocument, also={500: HealthDocument})
def healthcheck() -> tuple[dict[str, Any], int]:
    """{"mongo": true, "redis": true, "errors": []}; 500 where one of them does not answer."""
    farm = current_farm()
    faults: list[Fault] = []
    for check in (farm.store.health.check, farm.queue.check):
        try:
            check()
        except ServiceUnavailable as error:
            faults.append(Fault(error.service, str(error)))
    down = {fault.field for fault in faults}
    health = {"mongo": "mongo" not in down, "redis": "redis" not in down}
    if faults:
        return health | error_body(faults), 500
    return health | {"errors": []}, 200
