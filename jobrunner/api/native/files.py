"""Routes of uploaded files, which jobs name as their inputs."""

from __future__ import annotations

import re
from functools import partial

from flask import Response, request

from jobrunner.api.caller import caller_address
from jobrunner.api.context import current_farm
from jobrunner.api.downloads import download
from jobrunner.api.native.documents.files import FileItem, FilePage
from jobrunner.api.native.parameters import AFTER_FILE, FILE_NAME, SHA256
from jobrunner.api.native.routing import route
from jobrunner.api.native.translate import Document
from jobrunner.api.native.translate_files import file_item, file_page
from jobrunner.api.native.urls import urls_for_request
from jobrunner.api.openapi.operation import OCTETS, answers
from jobrunner.api.request_body import body_stream, read_by_the_route
from jobrunner.domain.files import LONGEST_NAME
from jobrunner.domain.identifiers import check_uuid
from jobrunner.engine import files
from jobrunner.errors import Fault, InvalidRequest

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@route("POST", "/files")
@answers(FileItem, body=OCTETS, query=(FILE_NAME, SHA256), refuses=(408,))
@read_by_the_route
def upload_file() -> Document:
    """Upload a file: its bytes are the body."""
    return _upload(None)


@route("PUT", "/files/<file_id>")
@answers(FileItem, body=OCTETS, query=(FILE_NAME, SHA256), refuses=(408,))
@read_by_the_route
def upload_file_as(file_id: str) -> Document:
    """Upload a file under an id of the caller's. With ?sha256= it may be repeated: the same file is there once."""
    return _upload(check_uuid("fileId", file_id))


def _upload(file_id: str | None) -> Document:
    farm, sha256 = current_farm(), _sha256()
    stored = files.already_there(farm, file_id, sha256) if file_id and sha256 else None
    if stored is None:
        pieces = body_stream(farm.settings.file_max_bytes)
        stored = files.upload(farm, pieces, file_id, name=_name(), sha256=sha256, caller_address=caller_address())
    return file_item(stored, urls_for_request(farm.settings))


@route("GET", "/files")
@answers(FilePage, query=(AFTER_FILE,), refuses=(404,))
def list_files() -> Document:
    """Uploaded files, the newest first."""
    farm = current_farm()
    found, has_next = files.files(farm, request.args.get("after"))
    return file_page(found, has_next, urls_for_request(farm.settings))


@route("GET", "/files/<file_id>")
@answers(OCTETS, also={206: OCTETS}, refuses=(416,))
def show_file(file_id: str) -> Response:
    """The bytes of a file, or a Range of them."""
    farm = current_farm()
    file = files.file(farm, file_id)
    read = partial(files.content, farm, file)
    return download(read, file.size_bytes, file.sha256, file.name or file.id)


@route("DELETE", "/files/<file_id>")
@answers(FileItem)
def delete_file(file_id: str) -> Document:
    """Delete a file that no open execution needs; what it was."""
    farm = current_farm()
    file = files.file(farm, file_id)
    files.delete_file(farm, file)
    return file_item(file, urls_for_request(farm.settings))


def _name() -> str:
    name = request.args.get("name", "")
    if len(name) > LONGEST_NAME or _CONTROL.search(name):
        raise InvalidRequest(Fault("name", f"must have at most {LONGEST_NAME} characters, none of them a control one"))
    return name


def _sha256() -> str:
    sha256 = request.args.get("sha256", "").lower()
    if "sha256" in request.args and not _SHA256.fullmatch(sha256):
        raise InvalidRequest(Fault("sha256", "must be 64 hexadecimal digits"))
    return sha256
