"""Many jobs and executions at once, in one transaction of MongoDB: all of them are stored, or none."""

from __future__ import annotations

from collections.abc import Sequence

import pymongo
from mongoengine import Document
from mongoengine.connection import get_connection
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError
from pymongo.write_concern import WriteConcern

from jobrunner.domain.executions import Execution, Job
from jobrunner.errors import StoreUnavailable
from jobrunner.store.errors import translating_errors
from jobrunner.store.executions import execution_document
from jobrunner.store.jobs import job_document

LONGEST_SECONDS = 60.0
_DUPLICATE_KEY = 11000


class MongoSubmissions:
    """The SubmissionStore port."""

    def add_all(self, jobs: Sequence[Job], executions: Sequence[Execution]) -> bool:
        """Store all of these, durably; False where one is there already: then nothing is stored."""
        batches = [list(map(job_document, jobs)), list(map(execution_document, executions))]

        def insert(session: ClientSession) -> None:
            for documents in filter(None, batches):
                _insert(documents, session)

        try:
            with translating_errors(), pymongo.timeout(LONGEST_SECONDS), get_connection().start_session() as session:
                session.with_transaction(insert, write_concern=WriteConcern("majority", j=True))
        except DuplicateKeyError:
            return False
        return True


def _insert(documents: Sequence[Document], session: ClientSession) -> None:
    collection = type(documents[0])._get_collection()
    try:
        collection.insert_many([document.to_mongo() for document in documents], session=session)
    except BulkWriteError as error:
        codes = {fault["code"] for fault in (error.details or {}).get("writeErrors", ())}
        if codes == {_DUPLICATE_KEY}:
            raise DuplicateKeyError("is there already") from error
        if error.has_error_label("TransientTransactionError"):  # with_transaction tries it again
            raise
        raise StoreUnavailable(f"MongoDB did not take all of them (error codes {sorted(codes)})") from error
