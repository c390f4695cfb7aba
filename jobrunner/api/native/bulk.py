"""The route that takes many jobs at once."""

from __future__ import annotations

from jobrunner.api.caller import caller_address
from jobrunner.api.context import current_farm
from jobrunner.api.native import translate
from jobrunner.api.native.documents.jobs import AcceptedJobs
from jobrunner.api.native.job_spec import parse_as
from jobrunner.api.native.routing import route
from jobrunner.api.native.translate import Document
from jobrunner.api.native.urls import urls_for_request
from jobrunner.api.openapi.operation import answers
from jobrunner.api.repeats import IDEMPOTENCY_KEY, fresh_token, repeatable
from jobrunner.api.request_body import body
from jobrunner.domain.bulk import BulkJobs
from jobrunner.engine.bulk import submit_all


@route("POST", "/jobs/bulk")
@answers(AcceptedJobs, body=BulkJobs, headers=(IDEMPOTENCY_KEY,))
@repeatable
def enqueue_jobs() -> Document:
    """Make many jobs, of any tasks: all of them, or none."""
    farm = current_farm()
    jobs = parse_as(BulkJobs, body()).jobs
    taken = submit_all(farm, jobs, token=fresh_token(), caller_address=caller_address())
    urls = urls_for_request(farm.settings)
    return {
        "jobs": [
            {**translate.accepted(one, urls), "name": wanted.name} for one, wanted in zip(taken, jobs, strict=True)
        ]
    }
