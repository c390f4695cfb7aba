"""Documents of files: those that were uploaded, and those that are kept of executions. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from jobrunner.api.native.times import iso
from jobrunner.api.native.urls import Urls, with_query
from jobrunner.domain.executions import Execution
from jobrunner.domain.stored_files import Artifacts, StoredFile

Document = dict[str, Any]


def file_item(file: StoredFile, urls: Urls) -> Document:
    """An uploaded file."""
    return {
        "fileId": file.id,
        "name": file.name,
        "size": file.size_bytes,
        "sha256": file.sha256,
        "createdAt": iso(file.created_at),
        "lastUsedAt": iso(file.used_at),
        "requestIPAddress": file.caller_address,
        "url": urls.file(file.id),
    }


def file_page(files: Sequence[StoredFile], has_next: bool, urls: Urls) -> Document:
    """Uploaded files, the newest first."""
    return {
        "items": [file_item(file, urls) for file in files],
        "hasNext": has_next,
        "nextUrl": with_query(urls.files, after=files[-1].id) if has_next else None,
    }


def output_list(execution: Execution, kept: Artifacts, urls: Urls) -> Document:
    """What is kept of an execution."""
    url = _outputs_url(execution, urls)
    return {
        "items": [
            {
                "name": item.name,
                "path": item.path,
                "size": item.size_bytes,
                "sha256": item.sha256,
                "complete": item.is_whole,
                "url": f"{url}/{quote(item.name)}",
            }
            for item in kept.items
        ],
        "notKept": [{"path": one.path, "reason": one.reason} for one in kept.not_kept],
        "count": len(kept.items),
        "size": sum(item.size_bytes for item in kept.items),
        "archiveUrl": f"{url}.tar.gz",
    }


def results(execution: Execution, urls: Urls) -> Document:
    """The keys of an execution that tell of its files and its result."""
    kept = execution.artifacts
    summary = kept and {
        "count": kept.count,
        "size": kept.size_bytes,
        "complete": kept.is_whole,
        "url": _outputs_url(execution, urls),
    }
    return {
        "outputs": summary,
        "result": None if execution.result is None else json.loads(execution.result),
        "resultError": execution.result_error or None,
    }


def _outputs_url(execution: Execution, urls: Urls) -> str:
    return f"{urls.execution(execution.task_id, execution.job_id, execution.id)}/outputs"
