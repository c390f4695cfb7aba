"""Lists from the newest to the oldest, in slices. A slice costs the same wherever it is, and whatever it is chosen by.

One index gives the order, and all that one filter (and the time) leaves. What else was asked for is looked for in the
next documents of that: in a few at first, then in more, MOST_LOOKED_AT in all. Where those do not fill a slice, it is
shorter, and the next one goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import pymongo
from mongoengine import Document

from jobrunner.domain.listing import Position
from jobrunner.store.errors import translating_errors

FEW_LOOKED_AT, MOST_LOOKED_AT = 500, 10_000
D = TypeVar("D", bound=Document)
NEWEST_FIRST = {"created_at": pymongo.DESCENDING, "_id": pymongo.DESCENDING}


@dataclass(frozen=True)
class Choice:
    """A query: `index` is the key pattern of the one that it runs on, `narrow` what that index narrows, `rest` not."""

    index: Mapping[str, int]
    narrow: Mapping[str, Any]
    rest: Mapping[str, Any]


def created(since: datetime | None, until: datetime | None, after: Position | None) -> dict[str, Any]:
    """The part of a query about the time of creation: all of it is a range of an index."""
    wanted = [{"created_at": {"$gte": since}} if since else {}, {"created_at": {"$lt": until}} if until else {}]
    found = [part for part in (*wanted, _beyond(after, "$lt")) if part]
    return {"$and": found} if found else {}


def read_slice(kind: type[D], choice: Choice, limit: int) -> tuple[list[D], Position | None]:
    """The first `limit` documents of a query, and where to go on; None: there are no more."""
    found: list[Mapping[str, Any]] = []
    end: Position | None = None
    with translating_errors():
        for many in (FEW_LOOKED_AT, MOST_LOOKED_AT - FEW_LOOKED_AT) if choice.rest else (None,):
            begin, end = end, None if many is None else _last_of(kind, choice, end, many)
            within = {"$and": [choice.narrow, choice.rest, _beyond(begin, "$lt"), _beyond(end, "$gte")]}
            found += _aggregate(kind, choice, within, {"$limit": limit + 1 - len(found)})
            if len(found) > limit or end is None:
                break
    if len(found) > limit:
        end = _position(found[limit - 1])
    return [kind._from_son(document) for document in found[:limit]], end


def _last_of(kind: type[D], choice: Choice, begin: Position | None, many: int) -> Position | None:
    """Where the next so many documents of the narrow query end; None: there are fewer. Read from the index alone."""
    narrow = {"$and": [choice.narrow, _beyond(begin, "$lt")]}
    stages = ({"$skip": many - 1}, {"$limit": 1}, {"$project": {"created_at": 1}})
    found = _aggregate(kind, choice, narrow, *stages)
    return _position(found[0]) if found else None


def _aggregate(kind: type[D], choice: Choice, query: Mapping[str, Any], *stages: Mapping[str, Any]) -> list[Any]:
    pipeline = [{"$match": query}, {"$sort": NEWEST_FIRST}, *stages]
    return list(kind._get_collection().aggregate(pipeline, hint=dict(choice.index)))


def _position(document: Mapping[str, Any]) -> Position:
    return Position(document["created_at"], document["_id"])


def _beyond(place: Position | None, comparison: str) -> dict[str, Any]:
    """The part of a query about what lies beyond a place: older ($lt), or it and what is newer ($gte)."""
    if place is None:
        return {}
    strictly = {"$lt": "$lt", "$gte": "$gt"}[comparison]
    same_instant = {"created_at": place.created_at, "_id": {comparison: place.id}}
    # The first part says nothing more than the second; it is what the range of the index is made of.
    roughly = {"created_at": {f"{strictly}e": place.created_at}}
    return {**roughly, "$or": [{"created_at": {strictly: place.created_at}}, same_instant]}
