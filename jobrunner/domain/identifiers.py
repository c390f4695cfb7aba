"""The names that callers give, and the ids that we give."""

from __future__ import annotations

import re
import unicodedata
import uuid

from jobrunner.errors import Fault, InvalidRequest

TASK_ID_LENGTH = 255
_WORD = re.compile(r"[^\W_]+")


def new_id() -> str:
    """A new id of a job or an execution: a random UUID."""
    return str(uuid.uuid4())


def retry_id(execution_id: str) -> str:
    """The id of the attempt that follows this one: always the same, so that it is made once however often we try."""
    return str(uuid.uuid5(uuid.UUID(execution_id), "retry"))


def check_uuid(field: str, value: str) -> str:
    """`value` in the canonical form of a UUID; raises InvalidRequest where it is none."""
    canonical: str | None
    try:
        canonical = str(uuid.UUID(value))
    except ValueError:
        canonical = None
    if canonical is None or canonical != value.lower():
        raise InvalidRequest(Fault(field, "must be a UUID such as 5a023792-1445-44e9-8a8b-cfe5ad05d1c6"))
    return canonical


def check_task_id(value: str) -> str:
    """`value`, if it can name a task: it stands in URLs, on command lines and in logs. Raises InvalidRequest."""
    reason = _task_id_fault(value)
    if reason:
        raise InvalidRequest(Fault("taskId", reason))
    return value


def words_of(text: str) -> list[str]:
    """The words of a task id, or of a query for some: runs of letters and digits, whatever their case; each once."""
    return list(dict.fromkeys(_WORD.findall(unicodedata.normalize("NFKC", text).casefold())))


def _task_id_fault(value: str) -> str:
    if not value.strip():
        return "must not be empty"
    if len(value) > TASK_ID_LENGTH:
        return f"must have at most {TASK_ID_LENGTH} characters, not {len(value)}"
    if "/" in value or "\\" in value:
        return "must not contain '/' or '\\'"
    if value.startswith("-"):
        return "must not start with '-'"
    if value in (".", "..") or value != value.strip():
        return "must not be '.' or '..', nor start or end with white space"
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for char in value):
        return "must not contain control characters or other characters that cannot be seen"
    return ""
