"""Requests with a key in MongoDB, which forgets them when their time is up."""

from __future__ import annotations

from datetime import datetime

from mongoengine import NotUniqueError
from pymongo.errors import DuplicateKeyError

from jobrunner.domain.repeats import KeptAnswer, KeyedRequest
from jobrunner.store.documents.jobs import KeptAnswerDocument, KeyedRequestDocument
from jobrunner.store.errors import translating_errors


class MongoKeyedRequests:
    """The KeyedRequestStore port."""

    def add(self, request: KeyedRequest) -> bool:
        """Store a new request, durably; False where its id is there already."""
        document = KeyedRequestDocument(
            id=request.id,
            token=request.token,
            body_digest=request.body_digest,
            claimed_until=request.claimed_until,
            expires_at=request.expires_at,
        )
        try:
            with translating_errors():
                document.save(force_insert=True)
        except (NotUniqueError, DuplicateKeyError):
            return False
        return True

    def get(self, request_id: str) -> KeyedRequest | None:
        """The request of this id."""
        with translating_errors():
            document = KeyedRequestDocument.objects(id=request_id).first()
        return _request(document) if document else None

    def claim(self, request: KeyedRequest, until: datetime) -> bool:
        """Claim it until an instant; False where it is not any more as we know it: claimed or answered meanwhile."""
        as_known = KeyedRequestDocument.objects(
            id=request.id, token=request.token, claimed_until=request.claimed_until, answer=None
        )
        with translating_errors():
            return bool(as_known.update_one(set__claimed_until=until))

    def keep_answer(self, request: KeyedRequest, answer: KeptAnswer) -> None:
        """Store what it was answered, if nothing was before."""
        kept = KeptAnswerDocument(status=answer.status, content_type=answer.content_type, body=answer.body)
        with translating_errors():
            KeyedRequestDocument.objects(id=request.id, token=request.token, answer=None).update_one(set__answer=kept)

    def forget(self, request: KeyedRequest) -> None:
        """Delete it, if it still is as we know it: not claimed by another, nor answered."""
        as_known = {"id": request.id, "token": request.token, "claimed_until": request.claimed_until}
        if request.answer is None:
            as_known["answer"] = None
        with translating_errors():
            KeyedRequestDocument.objects(**as_known).delete()


def _request(document: KeyedRequestDocument) -> KeyedRequest:
    kept = document.answer
    return KeyedRequest(
        id=document.id,
        token=document.token,
        body_digest=document.body_digest,
        claimed_until=document.claimed_until,
        expires_at=document.expires_at,
        answer=KeptAnswer(kept.status, kept.content_type, bytes(kept.body)) if kept else None,
    )
