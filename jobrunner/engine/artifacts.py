"""Read what is kept of an execution's files."""

from __future__ import annotations

from collections.abc import Iterator

from jobrunner.domain.executions import Execution
from jobrunner.domain.states import State
from jobrunner.domain.stored_files import Artifact, Artifacts
from jobrunner.engine.farm import Farm
from jobrunner.errors import NotFound


def artifacts(farm: Farm, execution: Execution) -> Artifacts:
    """All that is kept; nothing before its end, of one that was lost, or where its job named nothing."""
    nothing = Artifacts(execution.id, execution.claim, "")
    if not execution.spec.outputs or execution.state is State.LOST or execution.output_deleted_at is not None:
        return nothing
    return farm.store.artifacts.get(execution.id) or nothing


def artifact(farm: Farm, execution: Execution, name: str) -> Artifact:
    """The one of this name. Raises NotFound."""
    found = next((item for item in artifacts(farm, execution).items if item.name == name), None)
    if found is None:
        raise NotFound("name", name)
    return found


def content(farm: Farm, artifact: Artifact, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
    """Its bytes from `offset` on. Raises ContentGone where it was deleted meanwhile."""
    return farm.store.contents.read(artifact.content_id, offset, length)
