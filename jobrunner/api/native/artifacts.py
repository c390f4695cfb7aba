"""Routes of the files that were kept of an execution: the list, each of them, and all as an archive."""

from __future__ import annotations

from functools import partial

from flask import Response

from jobrunner.api.archives import ARCHIVES
from jobrunner.api.context import current_farm
from jobrunner.api.downloads import as_attachment, begun, download
from jobrunner.api.native.documents.files import OutputList
from jobrunner.api.native.routing import EXECUTION, route
from jobrunner.api.native.translate import Document
from jobrunner.api.native.translate_files import output_list
from jobrunner.api.native.urls import urls_for_request
from jobrunner.api.openapi.operation import OCTETS, answers
from jobrunner.domain.executions import Execution
from jobrunner.domain.ports.file_stores import FileToPut
from jobrunner.engine import queries
from jobrunner.engine.artifacts import artifact, artifacts, content

MODE = 0o644


@route("GET", f"{EXECUTION}/outputs")
@answers(OutputList)
def list_outputs(task_id: str, job_id: str, execution_id: str) -> Document:
    """The files that were kept of the execution, and what was not."""
    execution = _execution(task_id, job_id, execution_id)
    urls = urls_for_request(current_farm().settings)
    return output_list(execution, artifacts(current_farm(), execution), urls)


@route("GET", f"{EXECUTION}/outputs/<path:name>")
@answers(OCTETS, also={206: OCTETS}, refuses=(416,))
def show_output(task_id: str, job_id: str, execution_id: str, name: str) -> Response:
    """The bytes of one file that was kept, or a Range of them."""
    found = artifact(current_farm(), _execution(task_id, job_id, execution_id), name.removesuffix("/"))
    read = partial(content, current_farm(), found)
    return download(read, found.size_bytes, found.sha256, found.name.rpartition("/")[2])


@route("GET", f'{EXECUTION}/outputs.<any("tar", "tar.gz", "zip"):form>')
@answers(OCTETS)
def show_archive(task_id: str, job_id: str, execution_id: str, form: str) -> Response:
    """All files that were kept, as one archive."""
    farm, execution = current_farm(), _execution(task_id, job_id, execution_id)
    files = [
        FileToPut(item.name, MODE, item.size_bytes, content(farm, item)) for item in artifacts(farm, execution).items
    ]
    response = Response(begun(ARCHIVES[form](files)), content_type="application/octet-stream")
    return as_attachment(response, f"outputs-{execution.id}.{form}")


def _execution(task_id: str, job_id: str, execution_id: str) -> Execution:
    return queries.execution(current_farm(), task_id, job_id, execution_id)
