"""Note every write by a caller that is known in the audit trail: what was asked, of what, and what came of it."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, g, request

from jobrunner.api.context import current_farm
from jobrunner.api.cross_site import READING
from jobrunner.api.request_id import request_id
from jobrunner.api.rights import right_of
from jobrunner.domain.api_keys import Caller
from jobrunner.domain.audit import AuditEntry, new_entry_id
from jobrunner.engine.audit import AuditTrail

OWN_FIELDS = {
    "task_id": "taskId",
    "job_id": "jobId",
    "execution_id": "executionId",
    "key_id": "keyId",
    "file_id": "fileId",
}
LONGEST_WORDS = 500


def register(app: Flask, trail: AuditTrail) -> None:
    """Note the writes of the application. Reads are not noted, nor is what a caller without a good key tries."""

    def note(response: Response) -> Response:
        if "caller" in g and request.method not in READING and request.endpoint is not None:
            trail.record(_entry(g.caller, request.endpoint, response))
        return response

    app.after_request(note)


def _entry(caller: Caller, endpoint: str, response: Response) -> AuditEntry:
    answered = _answered(response)
    ids = {name: str(value) for name, key in OWN_FIELDS.items() if (value := answered.get(key))}
    things = {name: _cut(str(value)) for name, value in (request.view_args or {}).items()} | ids
    return AuditEntry(
        id=new_entry_id(),
        at=current_farm().clock.now(),
        action=right_of(endpoint).action or endpoint,
        status=response.status_code,
        key_id=caller.key_id,
        key_name=caller.name,
        address=g.address,
        request_id=request_id(),
        task_id=things.pop("task_id", None),
        job_id=things.pop("job_id", None),
        execution_id=things.pop("execution_id", None),
        things=things,
        reason=_cut(str(answered.get("error", ""))) if response.status_code >= 400 else "",
    )


def _answered(response: Response) -> dict[str, Any]:
    """The object in the answer: it has the ids of what was made, or says why nothing was."""
    document = response.get_json(silent=True) if response.is_json and not response.is_streamed else None
    return document if isinstance(document, dict) else {}


def _cut(words: str) -> str:
    return words if len(words) <= LONGEST_WORDS else f"{words[:LONGEST_WORDS]}..."
