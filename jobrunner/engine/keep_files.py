"""Keep what a job named of the files of its container, once that has ended and before the execution is closed.

So whoever sees that it is over finds them. Every try stores under a name of its own, and what is kept is replaced at
once: a worker that dies meanwhile leaves nothing that is shown, and the next one does it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

from jobrunner.domain.files import Output
from jobrunner.domain.outcomes import Cause, Outcome
from jobrunner.domain.ports.executor import Container
from jobrunner.domain.ports.file_stores import EntryKind, PathEntry, artifact_content
from jobrunner.domain.states import State
from jobrunner.domain.stored_files import Artifact, Artifacts, ArtifactSummary, Kept, NotKept
from jobrunner.engine.node import Run, ThisNode
from jobrunner.engine.read_result import read_result
from jobrunner.engine.run_end import RunEnd
from jobrunner.errors import ContainerVanished, PathMissing, StoreUnavailable, Superseded

MOST_NOT_KEPT = 100  # that are told; a folder may be full of links
LONGEST_NAME_BYTES = 1024
LATE = "could not be read: the Docker Engine did not answer for too long"


class KeepingGivenUp(Exception):
    """The worker is to end; the next one does it."""


class LimitReached(Exception):
    """No more is kept of this output; the message says why."""


def keep_files(node: ThisNode, run: Run, outcome: Outcome) -> Outcome | RunEnd:
    """Keep the outputs and the result, where the job wants some; the outcome, with what came of it.

    Raises Superseded where a later run has done it.
    """
    spec, container = run.held.spec, run.container
    if not (spec.outputs or spec.result) or container is None or container.ended is None:
        return outcome
    if run.keep_until is None:
        run.keep_until = node.farm.clock.now() + timedelta(seconds=node.farm.settings.outputs_timeout_seconds)
    try:
        return _keep(node, run, container, run.keep_until, outcome)
    except KeepingGivenUp:
        return RunEnd.HANDED_BACK
    except StoreUnavailable:
        run.keep_until = None  # the time without the store does not count: nothing can be closed in it either
        raise


def _keep(node: ThisNode, run: Run, container: Container, until: datetime, outcome: Outcome) -> Outcome:
    kept = Kept()
    if run.held.spec.result:
        in_time = node.farm.clock.now() < until
        result, error = read_result(node.executor, container, run.held.spec.result) if in_time else (None, LATE)
        kept = Kept(result=result, result_error=error)
    if run.held.spec.outputs:
        keeping = Keeping(node, run, container, until)
        for output in run.held.spec.outputs:
            keeping.keep(output)
        keeping.publish()
        kept = replace(kept, artifacts=keeping.summary())
        outcome = _without_required(run, keeping, outcome)
    return replace(outcome, kept=kept)


def _without_required(run: Run, keeping: Keeping, outcome: Outcome) -> Outcome:
    """What would have succeeded has failed where something is missing that its job requires."""
    missing = [output for output in run.held.spec.outputs if output.required and output in keeping.incomplete]
    if not missing or outcome.state is not State.DONE:
        return outcome
    reason = f"its required output {missing[0].path} {keeping.incomplete[missing[0]]}"
    return replace(outcome, state=State.FAILED, cause=Cause.OUTPUT_MISSING, reason=reason)


class Keeping:
    """One try to keep the outputs of an execution."""

    def __init__(self, node: ThisNode, run: Run, container: Container, until: datetime) -> None:
        self._node, self._run, self._container, self._until = node, run, container, until
        self._writer = uuid4().hex
        self._bytes_left = node.farm.settings.outputs_max_bytes
        self._items: dict[str, Artifact] = {}
        self._not_kept: list[NotKept] = []
        self.incomplete: dict[Output, str] = {}

    def keep(self, output: Output) -> None:
        """Keep what is at and below the path of an output, as far as the limits allow. Raises KeepingGivenUp."""
        try:
            self._look_at_limits()
            with self._node.executor.read_path(self._container, output.path) as entries:
                for entry in entries:
                    self._keep_entry(output, entry)
        except PathMissing:
            self._spoil(output, "is not there")
        except ContainerVanished:
            self._spoil(output, "could not be read: the container is gone")
        except LimitReached as limit:
            self._spoil(output, str(limit))

    def publish(self) -> None:
        """Show what was kept, at once and as a whole, and delete what earlier tries have left. Raises Superseded."""
        held, store = self._run.held, self._node.farm.store
        kept = Artifacts(held.id, held.claim, self._writer, tuple(self._items.values()), tuple(self._not_kept))
        if not store.artifacts.put(kept):
            raise Superseded(held.id)
        store.contents.delete_of(held.id, but_writer=self._writer)

    def summary(self) -> ArtifactSummary:
        """How much was kept."""
        size_bytes = sum(item.size_bytes for item in self._items.values())
        return ArtifactSummary(len(self._items), size_bytes, is_whole=not self.incomplete)

    def _keep_entry(self, output: Output, entry: PathEntry) -> None:
        self._look_at_limits()
        path = f"{output.path}/{entry.name}" if entry.name else output.path
        name = f"{output.shown_name}/{entry.name}" if entry.name else output.shown_name
        if entry.kind is EntryKind.DIRECTORY:
            return
        fault = _name_fault(entry.name)
        if fault:
            self._leave_out(path.encode("utf-8", "backslashreplace").decode(), fault)
        elif entry.kind is EntryKind.LINK:
            self._keep_link(path, name, f"{output.shown_name}/{entry.target}")
        elif entry.kind is not EntryKind.FILE and entry.name:
            self._leave_out(path, f"is a {entry.kind}, and was not followed")
        elif entry.kind is not EntryKind.FILE:
            self._spoil(output, f"is a {entry.kind}, and was not followed")
        else:
            self._keep_file(path, name, entry)

    def _keep_link(self, path: str, name: str, target: str) -> None:
        """A second name of a file that was kept: its bytes are there once."""
        file = self._items.get(target)
        if file is None:
            self._leave_out(path, "is another name of a file that was not kept")
        else:
            self._items[name] = replace(file, name=name, path=path)

    def _keep_file(self, path: str, name: str, entry: PathEntry) -> None:
        most_files = self._node.farm.settings.outputs_max_files
        if len(self._items) >= most_files:
            raise LimitReached(f"has more than the {most_files} files that are kept")
        content_id = artifact_content(self._run.execution_id, self._writer, len(self._items))
        reading = _Reading(self, entry)
        self._node.farm.store.contents.write(content_id, reading)
        is_whole = reading.size_bytes == entry.size_bytes
        digest = reading.digest.hexdigest()
        self._items[name] = Artifact(name, path, reading.size_bytes, digest, is_whole, content_id)
        if reading.cut_because:
            raise LimitReached(f"{reading.cut_because}: cut in {path}")

    def take(self, wanted_bytes: int) -> tuple[int, str]:
        """How many of these bytes may be kept, and where not all of them: why. Raises KeepingGivenUp."""
        if self._node.detached.is_set():
            raise KeepingGivenUp
        settings = self._node.farm.settings
        if self._node.farm.clock.now() >= self._until:
            return 0, f"took longer than the {settings.outputs_timeout_seconds:g} s that storing may take"
        taken = min(wanted_bytes, self._bytes_left)
        self._bytes_left -= taken
        return (
            taken,
            "" if taken == wanted_bytes else f"has more than the {settings.outputs_max_bytes} bytes kept in all",
        )

    def _look_at_limits(self) -> None:
        _, reason = self.take(0)
        if reason:
            raise LimitReached(reason)

    def _spoil(self, output: Output, reason: str) -> None:
        self.incomplete[output] = reason
        self._leave_out(output.path, reason)

    def _leave_out(self, path: str, reason: str) -> None:
        if len(self._not_kept) < MOST_NOT_KEPT:
            self._not_kept.append(NotKept(path, reason))


class _Reading:
    """The bytes of an entry on their way into the store: counted, digested, and cut at the limits."""

    def __init__(self, keeping: Keeping, entry: PathEntry) -> None:
        self._keeping, self._entry = keeping, entry
        self.size_bytes, self.digest, self.cut_because = 0, hashlib.sha256(), ""

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._entry.content:
            taken, self.cut_because = self._keeping.take(len(piece))
            kept = piece[:taken]
            self.size_bytes += taken
            self.digest.update(kept)
            yield kept
            if self.cut_because:
                return


def _name_fault(name: str) -> str:
    """Why a name that a program has made cannot be kept; nothing where it can."""
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return "has a name that is no UTF-8"
    if length > LONGEST_NAME_BYTES:
        return f"has a name of more than {LONGEST_NAME_BYTES} bytes"
    if ".." in name.split("/") or any(ord(char) < ord(" ") for char in name):
        return "has a name with control characters or '..' in it"
    return ""
