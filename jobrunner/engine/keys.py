"""API keys: make, list and revoke them, and tell who it is that presents one."""

from __future__ import annotations

import re
import threading
from collections.abc import MutableMapping
from datetime import timedelta

from cachetools import TTLCache

from jobrunner.domain.api_keys import ApiKey, Caller, KeyState, Token, caller_of, new_token, parse_token
from jobrunner.domain.events import Trouble
from jobrunner.domain.key_wish import KeyWish
from jobrunner.engine.farm import Farm
from jobrunner.errors import Fault, InvalidRequest, NotFound, StoreUnavailable, Unauthenticated

KEYS_PER_PAGE = 100
CACHE_SECONDS = 2.0  # so long a revoked key may still be taken by another API process
MEMORY_SECONDS = 3600.0  # so long a key is remembered for what may be read while the store is away
MOST_CACHED = 1024
USE_NOTED_EVERY = timedelta(minutes=1)
_KEY_ID = re.compile(r"[0-9a-f]{12}")


def create_key(farm: Farm, wish: KeyWish) -> tuple[ApiKey, Token]:
    """Make a key. What is returned beside it is the only copy of its secret. Raises InvalidRequest."""
    now = farm.clock.now()
    expires_at = wish.end(now)
    if expires_at is not None and expires_at <= now:
        raise InvalidRequest(Fault("expiresAt", "must not be over yet"))
    token = new_token()
    key = ApiKey(token.id, wish.name, wish.role, now, token.secret_hash, wish.limits, expires_at)
    farm.store.api_keys.add(key)
    return key, token


def list_keys(farm: Farm, after: str | None = None) -> tuple[list[ApiKey], bool]:
    """A page of all keys by id, those after this one, and whether there are more. Raises InvalidRequest."""
    if after is not None and not _KEY_ID.fullmatch(after):
        raise InvalidRequest(Fault("after", "must be the id of a key"))
    found = farm.store.api_keys.page(after, KEYS_PER_PAGE + 1)
    return found[:KEYS_PER_PAGE], len(found) > KEYS_PER_PAGE


def key(farm: Farm, key_id: str) -> ApiKey:
    """The key of this id. Raises NotFound."""
    found = farm.store.api_keys.get(key_id) if _KEY_ID.fullmatch(key_id) else None
    if found is None:
        raise NotFound("keyId", key_id)
    return found


def revoke_key(farm: Farm, key_id: str) -> ApiKey:
    """Revoke a key for good. Idempotent. Raises NotFound."""
    found = farm.store.api_keys.revoke(key_id, farm.clock.now()) if _KEY_ID.fullmatch(key_id) else None
    if found is None:
        raise NotFound("keyId", key_id)
    return found


class Gatekeeper:
    """Tells who presents a key. One in a process; it remembers for CACHE_SECONDS what it has read.

    Only a key that was good is remembered, under the hash of its secret: whoever guesses is sent to the store each
    time, so that neither answer nor time tells which keys there are.
    """

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._known: MutableMapping[tuple[str, str], ApiKey] = TTLCache(MOST_CACHED, CACHE_SECONDS)
        self._of_old: MutableMapping[tuple[str, str], ApiKey] = TTLCache(MOST_CACHED, MEMORY_SECONDS)
        self._no_key: MutableMapping[str, bool] = TTLCache(1, CACHE_SECONDS)
        self._has_keys = self._had_no_key = False
        self._lock = threading.Lock()

    def asks_for_keys(self, *, from_memory: bool = False) -> bool:
        """Whether there is a key: from the first one on, for ever. Raises StoreUnavailable.

        `from_memory`: as the store has said last; StoreUnavailable where it has said nothing yet.
        """
        if self._has_keys:
            return True
        with self._lock:
            if "none" in self._no_key:
                return False
        if from_memory and self._had_no_key:
            return False
        self._has_keys = self._farm.store.api_keys.any()
        self._had_no_key = not self._has_keys
        if not self._has_keys:
            with self._lock:
                self._no_key["none"] = True
        return self._has_keys

    def forget(self) -> None:
        """Read everything anew: a key was made or revoked by this process."""
        with self._lock:
            self._known.clear()
            self._no_key.clear()

    def caller(self, presented: str, *, from_memory: bool = False) -> Caller:
        """Who presents this. Raises Unauthenticated, StoreUnavailable.

        Why a key is not good (any more) is said only to who has its secret. `from_memory`: a key that was looked up in
        the last MEMORY_SECONDS is known, and no other.
        """
        token = parse_token(presented)
        find = self._remember if from_memory else self._find
        found = find(token) if token is not None else None
        if found is None:
            raise Unauthenticated("is not one of this farm")
        state = found.state(self._farm.clock.now())
        if state is not KeyState.ACTIVE:
            raise Unauthenticated(f"is {state}")
        return caller_of(found)

    def _find(self, token: Token) -> ApiKey | None:
        place = (token.id, token.secret_hash)
        with self._lock:
            known = self._known.get(place)
        if known is not None:
            return known
        stored = self._farm.store.api_keys.get(token.id)
        if not token.is_of(stored) or stored is None:
            return None
        with self._lock:
            self._known[place] = self._of_old[place] = stored
        self._note_use(stored)
        return stored

    def _remember(self, token: Token) -> ApiKey | None:
        with self._lock:
            return self._of_old.get((token.id, token.secret_hash))

    def _note_use(self, key: ApiKey) -> None:
        now = self._farm.clock.now()
        if key.last_used_at is None or now - key.last_used_at >= USE_NOTED_EVERY:
            try:
                self._farm.store.api_keys.note_use(key.id, now)
            except StoreUnavailable as error:  # it is worth a note, and not a request
                self._farm.announce(Trouble(where="note use of key", error=str(error)))
