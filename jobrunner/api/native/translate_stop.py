"""From what the stop of a job did to the document of the native API. Pure. fastlane's keys come first."""

from __future__ import annotations

from jobrunner.api.native.translate import Document, job_reference
from jobrunner.api.native.urls import Urls
from jobrunner.domain.executions import Job
from jobrunner.engine.cancel import StoppedJob


def stopped_job(job: Job, stopped: StoppedJob, urls: Urls) -> Document:
    """The answer to stopping a job."""
    return {
        **job_reference(job, urls),
        "stopped": {"beforeStart": stopped.before_start, "stopping": stopped.stopping},
        "alreadyStopped": stopped.was_stopped,
    }
