"""Lists from the newest to the oldest, in slices. A slice costs the same wherever it is, and whatever it is chosen by.

One index gives the order, and all that one filter (and the time) leaves; what else was asked for is looked for among
the next MOST_LOOKED_AT documents of that. Where those do not fill a slice, it is shorter, and the next one goes on.
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

MOST_LOOKED_AT = 10_000
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
    bounds = {"$gte": since, "$lt": until, "$lte": after and after.created_at}
    wanted: dict[str, Any] = {}
    if given := {operator: bound for operator, bound in bounds.items() if bound is not None}:
        wanted["created_at"] = given
    if after is not None:
        same_instant = {"created_at": after.created_at, "_id": {"$lt": after.id}}
        wanted["$or"] = [{"created_at": {"$lt": after.created_at}}, same_instant]
    return wanted


def read_slice(kind: type[D], choice: Choice, limit: int) -> tuple[list[D], Position | None]:
    """The first `limit` documents of a query, and where to go on; None: there are no more."""
    stages: list[dict[str, Any]] = [{"$match": choice.narrow}, {"$sort": NEWEST_FIRST}]
    if choice.rest:
        stages += [{"$limit": MOST_LOOKED_AT}, {"$match": choice.rest}]
    collection = kind._get_collection()
    with translating_errors():
        found = list(collection.aggregate([*stages, {"$limit": limit + 1}], hint=dict(choice.index)))
        last = found[limit - 1] if len(found) > limit else _last_looked_at(collection, choice)
    following = None if last is None else Position(last["created_at"], last["_id"])
    return [kind._from_son(document) for document in found[:limit]], following


def _last_looked_at(collection: Any, choice: Choice) -> Mapping[str, Any] | None:
    """The last document that was looked at, where there may be more behind it; read from the index alone."""
    if not choice.rest:
        return None
    stages = [{"$match": choice.narrow}, {"$sort": NEWEST_FIRST}, {"$skip": MOST_LOOKED_AT - 1}, {"$limit": 1}]
    found = collection.aggregate([*stages, {"$project": {"created_at": 1}}], hint=dict(choice.index))
    return next(iter(found), None)
