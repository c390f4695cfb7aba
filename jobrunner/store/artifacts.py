"""What is kept of executions, in MongoDB, without the bytes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from jobrunner.domain.stored_files import Artifact, Artifacts, NotKept
from jobrunner.store.documents.files import ArtifactsDocument
from jobrunner.store.errors import translating_errors


class MongoArtifacts:
    """The ArtifactStore port."""

    def put(self, artifacts: Artifacts) -> bool:
        """Replace what is kept of an execution, as a whole; False where a later run has stored its own."""
        document = {
            "claim": artifacts.claim,
            "writer": artifacts.writer,
            "items": [asdict(item) for item in artifacts.items],
            "not_kept": [asdict(one) for one in artifacts.not_kept],
        }
        earlier = {"_id": artifacts.execution_id, "claim": {"$lte": artifacts.claim}}
        try:
            with translating_errors():
                _collection().replace_one(earlier, document, upsert=True)
        except DuplicateKeyError:
            return False
        return True

    def get(self, execution_id: str) -> Artifacts | None:
        """What is kept of an execution."""
        with translating_errors():
            found = _collection().find_one({"_id": execution_id})
        if found is None:
            return None
        return Artifacts(
            execution_id,
            found["claim"],
            found["writer"],
            tuple(Artifact(**item) for item in found["items"]),
            tuple(NotKept(**one) for one in found["not_kept"]),
        )

    def delete(self, execution_id: str) -> None:
        """Forget it."""
        with translating_errors():
            _collection().delete_one({"_id": execution_id})


def _collection() -> Collection[dict[str, Any]]:
    return ArtifactsDocument._get_collection()
