"""The route of the audit trail."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from flask import request

from jobrunner.api.context import current_farm
from jobrunner.api.native import query, translate_keys
from jobrunner.api.native.documents.keys import ACTION, CURSOR, JOB, KEY, UNTIL, AuditPage
from jobrunner.api.native.parameters import SINCE, TASK
from jobrunner.api.native.routing import route
from jobrunner.api.native.translate import Document
from jobrunner.api.native.urls import urls_for_request
from jobrunner.api.openapi.operation import answers
from jobrunner.domain.audit import AuditQuery
from jobrunner.engine.audit import audit_page
from jobrunner.errors import Fault, InvalidRequest

FILTERS = {"key": "key_id", "action": "action", "task": "task_id", "job": "job_id"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = re.compile(r"([0-9]{1,13})_([0-9a-f]{24})")


@route("GET", "/audit")
@answers(AuditPage, query=(KEY, ACTION, TASK, JOB, SINCE, UNTIL, CURSOR))
def list_audit() -> Document:
    """A page of the audit trail, the newest first; ?key=&action=&task=&job=&since=&until= for some of it."""
    farm = current_farm()
    chosen = {name: request.args.get(name) or None for name in FILTERS}
    wanted = AuditQuery(
        **{field: chosen[name] for name, field in FILTERS.items()},
        since=query.instant("since"),
        until=query.instant("until"),
        before=_cursor(),
    )
    entries, has_next = audit_page(farm, wanted)
    times = {name: request.args.get(name) or None for name in ("since", "until")}
    list_url = f"{urls_for_request(farm.settings).base}/audit"
    return translate_keys.audit_list(entries, has_next, list_url, **chosen, **times)


def _cursor() -> tuple[datetime, str] | None:
    text = request.args.get("cursor")
    if not text:
        return None
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise InvalidRequest(Fault("cursor", "must be what a nextUrl has there"))
    return _EPOCH + timedelta(milliseconds=int(match[1])), match[2]
