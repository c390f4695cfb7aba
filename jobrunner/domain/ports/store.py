"""All stores together, as the engine is given them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from jobrunner.domain.ports.delivery_store import DeliveryStore
from jobrunner.domain.ports.events import EventSource
from jobrunner.domain.ports.execution_store import ExecutionStore, LimitStore
from jobrunner.domain.ports.file_stores import ArtifactStore, ContentStore, FileStore
from jobrunner.domain.ports.job_stores import (
    ArrayStore,
    DependencyStore,
    JobStore,
    KeyedRequestStore,
    SubmissionStore,
    TaskStore,
    TemplateStore,
)
from jobrunner.domain.ports.key_stores import ApiKeyStore, AuditStore
from jobrunner.domain.ports.measure_store import MeasureStore
from jobrunner.domain.ports.node_stores import Blacklist, NodeStore
from jobrunner.domain.ports.output_store import OutputStore


@dataclass(frozen=True)
class Store:
    """All collections of MongoDB together."""

    tasks: TaskStore
    jobs: JobStore
    executions: ExecutionStore
    output: OutputStore
    nodes: NodeStore
    deliveries: DeliveryStore
    api_keys: ApiKeyStore
    audit: AuditStore
    events: EventSource
    blacklist: Blacklist
    limits: LimitStore
    keyed_requests: KeyedRequestStore
    dependencies: DependencyStore
    submissions: SubmissionStore
    arrays: ArrayStore
    templates: TemplateStore
    health: Health
    files: FileStore
    artifacts: ArtifactStore
    contents: ContentStore
    measures: MeasureStore


class Health(Protocol):
    """Whether the store answers, and how long it is waited for."""

    def check(self) -> None:
        """Return if it does; raise StoreUnavailable, within its timeout, if not."""

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """What this thread asks of the store in this block is answered, or raises, before so long has passed in all."""
