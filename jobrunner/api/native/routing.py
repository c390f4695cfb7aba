"""Where the native API's routes are registered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Blueprint

View = TypeVar("View", bound=Callable[..., Any])

TASK = "/tasks/<task_id>"
JOB = "/tasks/<task_id>/jobs/<job_id>"
EXECUTION = "/tasks/<task_id>/jobs/<job_id>/executions/<execution_id>"

blueprint = Blueprint("native", __name__)


def route(method: str, rule: str) -> Callable[[View], View]:
    """Register a view. What has /jobs/ in its path also answers where fastlane's document has /job/."""

    def register(view: View) -> View:
        for path in dict.fromkeys((rule, rule.replace("/jobs/", "/job/"))):
            blueprint.add_url_rule(path, view_func=view, methods=[method])
        return view

    return register
