"""The contract of KeyedRequestStore."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from jobrunner.domain.identifiers import new_id
from jobrunner.domain.ports.store import Store
from jobrunner.domain.repeats import KeptAnswer, KeyedRequest, digest

NOW = datetime.now(UTC).replace(microsecond=0)
LATER = NOW + timedelta(minutes=1)
ANSWER = KeptAnswer(200, "application/json", b"{}")


def request() -> KeyedRequest:
    return KeyedRequest(digest(new_id()), new_id(), digest(b"{}"), NOW, NOW + timedelta(hours=1))


def test_a_request_is_stored_once(store: Store) -> None:
    one = request()
    assert store.keyed_requests.add(one)
    assert not store.keyed_requests.add(replace(one, token=new_id()))
    assert store.keyed_requests.get(one.id) == one
    assert store.keyed_requests.get(request().id) is None


def test_only_one_of_those_who_saw_the_same_claim_gets_it(store: Store) -> None:
    one = request()
    store.keyed_requests.add(one)
    assert store.keyed_requests.claim(one, LATER)
    assert not store.keyed_requests.claim(one, LATER + timedelta(seconds=1))
    assert store.keyed_requests.get(one.id) == replace(one, claimed_until=LATER)


def test_the_first_answer_is_kept_and_ends_all_claims(store: Store) -> None:
    one = request()
    store.keyed_requests.add(one)
    store.keyed_requests.keep_answer(one, ANSWER)
    store.keyed_requests.keep_answer(one, replace(ANSWER, status=500))
    assert store.keyed_requests.get(one.id) == replace(one, answer=ANSWER)
    assert not store.keyed_requests.claim(one, LATER)


def test_only_what_is_still_as_known_is_forgotten(store: Store) -> None:
    claimed, answered, free = request(), request(), request()
    for one in (claimed, answered, free):
        store.keyed_requests.add(one)
    store.keyed_requests.claim(claimed, LATER)
    store.keyed_requests.keep_answer(answered, ANSWER)
    for one in (claimed, answered, free):
        store.keyed_requests.forget(one)
    assert [store.keyed_requests.get(one.id) is None for one in (claimed, answered, free)] == [False, False, True]
    store.keyed_requests.forget(replace(answered, answer=ANSWER))
    assert store.keyed_requests.get(answered.id) is None
