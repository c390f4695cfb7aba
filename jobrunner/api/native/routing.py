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


def route(method: str, rule: str, *, is_web_socket: bool = False) -> Callable[[View], View]:
    """Register a view. What has /jobs/ in its path also answers where fastlane's document has /job/.

    A WebSocket's opening has rules of its own in werkzeug; any other request to it reaches the view as well.
    """

    def register(view: View) -> View:
        for path in dict.fromkeys((rule, rule.replace("/jobs/", "/job/"))):
            blueprint.add_url_rule(path, view_func=view, methods=[method])
            if is_web_socket:
                blueprint.add_url_rule(path, view_func=view, methods=[method], websocket=True)
        return view

    return register
