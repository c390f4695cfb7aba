"""Requests with a key: what was asked before is answered as before, and never done twice.

A request is stored, with a token of its own, before anything is made for it. The ids of what is made follow from the
token. So where the process dies before the answer is stored, whoever sends the request again goes on with it, and
finds what is there. Two at the same time: one is at work on it, under a claim that ends by itself.
"""

from __future__ import annotations

from datetime import timedelta

from jobrunner.domain.events import Trouble
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.repeats import KeptAnswer, KeyedRequest, digest
from jobrunner.engine.farm import Farm
from jobrunner.errors import Conflict, InProgress, StoreUnavailable

FIELD = "Idempotency-Key"
CLAIM_SECONDS = 10  # to go on with what somebody is still at work on does no harm: both make the same
PATIENCE_SECONDS = 8.0  # a thousand jobs in one call need two or three
LOOK_SECONDS = 0.1


def begin(farm: Farm, request_id: str, body: bytes) -> tuple[KeyedRequest, bool]:
    """The request of this id, and whether it is the first one; it is ours to do, unless it has an answer.

    While somebody is at work on it, its answer is waited for, PATIENCE_SECONDS at most. Raises Conflict (it was sent
    with another body), InProgress (it has no answer by then), StoreUnavailable.
    """
    for _ in range(int(PATIENCE_SECONDS / LOOK_SECONDS)):
        try:
            return _begin(farm, request_id, body)
        except InProgress:
            if farm.stopping.wait(LOOK_SECONDS):
                raise
    return _begin(farm, request_id, body)


def _begin(farm: Farm, request_id: str, body: bytes) -> tuple[KeyedRequest, bool]:
    now = farm.clock.now()
    claimed_until = now + timedelta(seconds=CLAIM_SECONDS)
    expires_at = now + timedelta(hours=farm.settings.idempotency_hours)
    fresh = KeyedRequest(request_id, new_id(), digest(body), claimed_until, expires_at)
    if farm.store.keyed_requests.add(fresh):
        return fresh, True
    known = farm.store.keyed_requests.get(request_id)
    if known is None:
        raise InProgress(FIELD, CLAIM_SECONDS)
    if known.expires_at <= now:
        farm.store.keyed_requests.forget(known)
        return _begin(farm, request_id, body)
    if known.body_digest != fresh.body_digest:
        raise Conflict(FIELD, "was used before with another body; a new request needs a new key")
    if known.answer is None:
        _claim(farm, known)
    return known, False


def _claim(farm: Farm, known: KeyedRequest) -> None:
    now = farm.clock.now()
    until = now + timedelta(seconds=CLAIM_SECONDS)
    if known.claimed_until > now or not farm.store.keyed_requests.claim(known, until):
        raise InProgress(FIELD, CLAIM_SECONDS)


def keep_answer(farm: Farm, request: KeyedRequest, answer: KeptAnswer) -> None:
    """Store what it was answered. If that cannot be done now, a repetition finds what was made, and answers anew."""
    try:
        farm.store.keyed_requests.keep_answer(request, answer)
    except StoreUnavailable as error:
        farm.announce(Trouble(where="keep answer", error=str(error)))


def give_up(farm: Farm, request: KeyedRequest, *, changed_nothing: bool) -> None:
    """It got no answer that is to be kept: what `changed_nothing` is as if it had never come; else it may come again.

    If the store does not answer, the claim ends by itself.
    """
    try:
        if changed_nothing:
            farm.store.keyed_requests.forget(request)
        else:
            current = farm.store.keyed_requests.get(request.id)
            if current is not None and current.token == request.token:
                farm.store.keyed_requests.claim(current, farm.clock.now())
    except StoreUnavailable as error:
        farm.announce(Trouble(where="give up a request", error=str(error)))
