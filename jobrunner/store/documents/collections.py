"""All documents that have a collection of their own."""

from __future__ import annotations

from jobrunner.store.documents.deliveries import DeliveryDocument
from jobrunner.store.documents.executions import ExecutionDocument, LimitDocument
from jobrunner.store.documents.farm import FarmDocument, TallyDocument
from jobrunner.store.documents.files import ArtifactsDocument, ContentChunkDocument, ContentDocument, FileDocument
from jobrunner.store.documents.jobs import JobDocument, KeyedRequestDocument, TaskDocument, TemplateDocument
from jobrunner.store.documents.keys import ApiKeyDocument, AuditDocument
from jobrunner.store.documents.nodes import BlacklistedNodeDocument, DrainDocument, NodeDocument, NodePresenceDocument
from jobrunner.store.documents.output import ChunkDocument

ALL_DOCUMENTS = (
    FarmDocument,
    TaskDocument,
    JobDocument,
    ExecutionDocument,
    DeliveryDocument,
    ChunkDocument,
    NodeDocument,
    ApiKeyDocument,
    AuditDocument,
    NodePresenceDocument,
    BlacklistedNodeDocument,
    LimitDocument,
    DrainDocument,
    KeyedRequestDocument,
    TemplateDocument,
    FileDocument,
    ArtifactsDocument,
    ContentDocument,
    ContentChunkDocument,
    TallyDocument,
)
