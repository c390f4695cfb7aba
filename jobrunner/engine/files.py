"""Uploaded files: taken in, read, listed, deleted. A job names them as its inputs.

A caller whose key is held to some tasks sees of them what came with its own key: files belong to no task.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from jobrunner.domain.events import Trouble
from jobrunner.domain.identifiers import check_uuid, new_id
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.stored_files import StoredFile
from jobrunner.engine.farm import Farm
from jobrunner.errors import Conflict, Fault, InvalidRequest, NotFound, StoreUnavailable

FILES_PER_PAGE = 100
TOUCH_AFTER = timedelta(seconds=30)  # an upload that is under way says so now and then
BROKEN_OFF_AFTER = timedelta(minutes=10)  # one that has not said so for this long is not under way any more


def upload(
    farm: Farm,
    pieces: Iterable[bytes],
    file_id: str | None = None,
    *,
    name: str = "",
    sha256: str = "",
    caller_address: str | None = None,
) -> StoredFile:
    """Store a file, under an id of the caller's or a new one. `sha256`: what it must come to, where that is given.

    Raises InvalidRequest (it came to something else), Conflict (the id is taken), what `pieces` raises,
    StoreUnavailable; then nothing is left of it.
    """
    now = farm.clock.now()
    key_id = farm.caller.key_id
    file = StoredFile(file_id or new_id(), name, now, now, caller_address=caller_address, api_key_id=key_id)
    if not farm.store.files.add(file):
        raise Conflict("fileId", "is the id of another file; files do not change: give this one an id of its own")
    try:
        return _store(farm, file, pieces, sha256)
    except BaseException:
        _discard(farm, file)
        raise


def already_there(farm: Farm, file_id: str, sha256: str) -> StoredFile | None:
    """The file that has this id already, where it is the same as the one that is to be uploaded."""
    found = _visible_file(farm, file_id)
    return found if found is not None and found.is_whole and found.sha256 == sha256 else None


def file(farm: Farm, file_id: str) -> StoredFile:
    """The file of this id. Raises NotFound."""
    try:
        found = _visible_file(farm, check_uuid("fileId", file_id))
    except InvalidRequest:  # a form that we never give
        found = None
    if found is None or not found.is_whole:
        raise NotFound("fileId", file_id)
    return found


def content(farm: Farm, file: StoredFile, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
    """Its bytes from `offset` on. Raises ContentGone where it was deleted meanwhile."""
    return farm.store.contents.read(file.id, offset, length)


def files(farm: Farm, after: str | None) -> tuple[list[StoredFile], bool]:
    """Files, the newest first, those after file `after`; whether there are more. Raises InvalidRequest, NotFound."""
    last = None if after is None else _visible_file(farm, check_uuid("after", after))
    if after is not None and last is None:
        raise NotFound("after", after)
    found = farm.store.files.page(last, FILES_PER_PAGE + 1, api_key_id=_only_of_key(farm))
    return found[:FILES_PER_PAGE], len(found) > FILES_PER_PAGE


def delete_file(farm: Farm, file: StoredFile) -> None:
    """Delete a file. Raises Conflict where an execution that has not ended needs it."""
    if farm.store.executions.needs_file(file.id):
        raise Conflict("fileId", "is needed by an execution that has not ended: stop that, or wait for its end")
    forget_file(farm, file)


def forget_file(farm: Farm, file: StoredFile) -> None:
    """Delete a file with its bytes; where that is broken off, the janitor completes it."""
    farm.store.files.retire(file.id)
    farm.store.contents.delete(file.id)
    farm.store.files.delete(file.id)


def check_inputs(farm: Farm, spec: JobSpec, *, earlier: JobSpec | None = None) -> None:
    """Raise InvalidRequest where an input of a job is no uploaded file; note that the others are in use.

    What the job had named before (in `earlier`) it may go on to name, whoever uploaded it.
    """
    if not spec.inputs:
        return
    ids = {one.file for one in spec.inputs}
    farm.store.files.touch(ids, farm.clock.now())  # first: one that is there now is not pruned
    named = {one.file for one in earlier.inputs} if earlier else set()
    found = {one: farm.store.files.get(one) if one in named else _visible_file(farm, one) for one in ids}
    missing = [
        Fault(f"inputs.{number}.file", "is not the id of an uploaded file")
        for number, one in enumerate(spec.inputs)
        if (file := found[one.file]) is None or not file.is_whole
    ]
    if missing:
        raise InvalidRequest(*missing)


def _visible_file(farm: Farm, file_id: str) -> StoredFile | None:
    found, key_id = farm.store.files.get(file_id), _only_of_key(farm)
    return found if found is not None and key_id in (None, found.api_key_id) else None


def _only_of_key(farm: Farm) -> str | None:
    """The id of the caller's key, where that is held to some tasks."""
    return farm.caller.key_id if farm.caller.limits.task_pattern is not None else None


def _store(farm: Farm, file: StoredFile, pieces: Iterable[bytes], sha256: str) -> StoredFile:
    arriving = _Arriving(farm, file, pieces)
    farm.store.contents.write(file.id, arriving)
    digest = arriving.digest.hexdigest()
    if sha256 and sha256 != digest:
        raise InvalidRequest(Fault("sha256", f"is not that of what came, which is {digest}"))
    complete = farm.store.files.complete(file.id, arriving.size_bytes, digest, farm.clock.now())
    if complete is None:
        raise Conflict("fileId", "was deleted while the file came")
    return complete


class _Arriving:
    """The bytes of an upload on their way into the store, counted and digested."""

    def __init__(self, farm: Farm, file: StoredFile, pieces: Iterable[bytes]) -> None:
        self._farm, self._file, self._pieces = farm, file, pieces
        self.size_bytes, self.digest = 0, hashlib.sha256()
        self._told_at: datetime = file.used_at

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.size_bytes += len(piece)
            self.digest.update(piece)
            self._tell()
            yield piece

    def _tell(self) -> None:
        now = self._farm.clock.now()
        if now - self._told_at >= TOUCH_AFTER:
            self._farm.store.files.touch([self._file.id], now)
            self._told_at = now


def _discard(farm: Farm, file: StoredFile) -> None:
    try:
        forget_file(farm, replace(file, is_whole=False))
    except StoreUnavailable as error:  # the janitor does it later
        farm.announce(Trouble(where=f"upload of file {file.id}", error=str(error)))
