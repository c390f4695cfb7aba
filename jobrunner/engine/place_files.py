"""Place a job's input files in its container, before it starts: a step of a run.

It is done again where it was broken off: a container that has not been started is as it was, and gets the same files.
"""

from __future__ import annotations

from collections.abc import Iterator

from jobrunner.domain.files import RESULT_FOLDER, Input
from jobrunner.domain.outcomes import Outcome
from jobrunner.domain.ports.executor import ContainerStatus
from jobrunner.domain.ports.file_stores import FileToPut
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.stored_files import StoredFile
from jobrunner.engine.launch import why_not_start
from jobrunner.engine.node import Run, ThisNode
from jobrunner.engine.run_end import RunEnd
from jobrunner.errors import ContentGone, InputMissing

OPEN_FOLDER_MODE = 0o1777  # as /tmp: the command may run as any user


class PlacingGivenUp(Exception):
    """The placing was broken off, on purpose."""


def place_files(node: ThisNode, run: Run) -> Outcome | RunEnd | None:
    """Put the inputs into a container that was not started yet, and the folder for the result where it needs one.

    Raises InputMissing where a file was deleted meanwhile.
    """
    assert run.container is not None
    folders = _folders(run.held.spec)
    if not (run.held.spec.inputs or folders) or run.container.status is not ContainerStatus.CREATED:
        return None
    try:
        node.executor.put_files(run.container, [*folders, *_inputs(node, run)])
    except PlacingGivenUp:
        return why_not_start(node, run) or RunEnd.HANDED_BACK
    return None


def _folders(spec: JobSpec) -> list[FileToPut]:
    is_ours = spec.result is not None and spec.result.startswith(f"{RESULT_FOLDER}/")
    return [FileToPut(RESULT_FOLDER, OPEN_FOLDER_MODE)] if is_ours else []


def _inputs(node: ThisNode, run: Run) -> list[FileToPut]:
    files = node.farm.store.files
    inputs = run.held.spec.inputs
    found = [(one, files.get(one.file)) for one in inputs]
    files.touch({one.file for one in inputs}, node.farm.clock.now())
    return [_file_to_put(node, run, one, file) for one, file in found]


def _file_to_put(node: ThisNode, run: Run, one: Input, file: StoredFile | None) -> FileToPut:
    if file is None or not file.is_whole:
        raise _missing(one)
    return FileToPut(one.path, int(one.mode, 8), file.size_bytes, _content(node, run, one))


def _content(node: ThisNode, run: Run, one: Input) -> Iterator[bytes]:
    try:
        for piece in node.farm.store.contents.read(one.file):
            if node.detached.is_set() or why_not_start(node, run) is not None:
                raise PlacingGivenUp
            yield piece
    except ContentGone:
        raise _missing(one) from None


def _missing(one: Input) -> InputMissing:
    return InputMissing(f"its input {one.path} could not be placed: the file {one.file} was deleted")
