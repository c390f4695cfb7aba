"""Routes of deliveries: the webhook calls and e-mails that an execution owes, or has made."""

from __future__ import annotations

from jobrunner.api.context import current_farm
from jobrunner.api.native import translate_hooks
from jobrunner.api.native.documents.deliveries import DeliveryDocument, DeliveryList
from jobrunner.api.native.routing import EXECUTION, route
from jobrunner.api.native.translate import Document
from jobrunner.api.native.urls import urls_for_request
from jobrunner.api.openapi.operation import answers
from jobrunner.domain.executions import Execution
from jobrunner.engine import queries
from jobrunner.engine.redeliver import deliveries_of, redeliver


@route("GET", f"{EXECUTION}/deliveries")
@answers(DeliveryList)
def list_deliveries(task_id: str, job_id: str, execution_id: str) -> Document:
    """All deliveries of the execution, each with its attempts."""
    farm = current_farm()
    execution = queries.execution(farm, task_id, job_id, execution_id)
    return translate_hooks.delivery_list(deliveries_of(farm, execution), _url(execution))


@route("POST", f"{EXECUTION}/deliveries/<delivery_id>/redeliver")
@answers(DeliveryDocument)
def redeliver_now(task_id: str, job_id: str, execution_id: str, delivery_id: str) -> Document:
    """Make the delivery again now, under the same id, whatever became of it."""
    farm = current_farm()
    execution = queries.execution(farm, task_id, job_id, execution_id)
    return translate_hooks.delivery_document(redeliver(farm, execution, delivery_id), _url(execution))


def _url(execution: Execution) -> str:
    urls = urls_for_request(current_farm().settings)
    return urls.execution(execution.task_id, execution.job_id, execution.id)
