"""Executions in MongoDB. Every change of one goes through `compare_and_set`, or is that a debt has been settled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from dataclasses import fields as fields_of
from datetime import UTC, datetime
from typing import Any

from mongoengine import NotUniqueError, Q, QuerySet
from pymongo.errors import BulkWriteError, DuplicateKeyError

from jobrunner.domain.executions import EndedExecution, Execution
from jobrunner.domain.labels import label_terms
from jobrunner.domain.listing import ExecutionFilter, Position, Slice
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import ON_A_NODE, TERMINAL, State
from jobrunner.domain.stored_files import ArtifactSummary
from jobrunner.domain.usage import ResourceUsage
from jobrunner.errors import StoreUnavailable
from jobrunner.store.deliveries import owed_delivery, owed_documents
from jobrunner.store.documents.executions import ArtifactSummaryDocument, ExecutionDocument, UsageDocument
from jobrunner.store.errors import translating_errors
from jobrunner.store.newest_first import NEWEST_FIRST, Choice, created, read_slice
from jobrunner.store.tallies import count_ended
from jobrunner.store.tasks import SOON_ENOUGH
from jobrunner.store.visibility import of_visible_tasks

DUPLICATE_KEY = 11000
BATCH = 100  # documents that are read at a time where all are wanted
MOST_MERGED = 20  # tasks: with ten states each, MongoDB merges two hundred ranges of an index in order, and no more

_OWN_FIELDS = (
    *("spec", "state", "cause", "times", "owed_deliveries", "usage", "labels", "gpu_ids", "limits"),
    *("waits_for", "artifacts", "input_files", "counted"),
)
_PLAIN_FIELDS = tuple(name for name in ExecutionDocument._fields if name not in _OWN_FIELDS)
_OPEN = [state.value for state in State if state not in TERMINAL]
_ENDED = [state.value for state in TERMINAL]
_OF_ENDED = tuple(field.name for field in fields_of(EndedExecution))
_UNDER_WAY = [state for state in _OPEN if state != State.SCHEDULED.value]
_HAS_A_TIME = {"state": State.SCHEDULED.value, "due_at__gt": datetime.fromtimestamp(0, UTC)}
_HELD = [state.value for state in ON_A_NODE]


class MongoExecutions:
    """The ExecutionStore port."""

    def add(self, execution: Execution) -> bool:
        """Store a new execution, durably; False where its id is there already."""
        try:
            with translating_errors():
                execution_document(execution).save(force_insert=True)
        except (NotUniqueError, DuplicateKeyError):
            return False
        return True

    def add_all(self, executions: Sequence[Execution]) -> set[str]:
        """Store many new executions, durably, in one step; the ids of those that were not there already."""
        documents = [execution_document(execution).to_mongo() for execution in executions]
        there: set[int] = set()
        try:
            with translating_errors():
                ExecutionDocument._get_collection().insert_many(documents, ordered=False)
        except StoreUnavailable as error:
            there = _duplicates(error)
        return {execution.id for index, execution in enumerate(executions) if index not in there}

    def get(self, execution_id: str) -> Execution | None:
        """The execution of this id."""
        return _first(ExecutionDocument.objects(id=execution_id))

    def get_all(self, execution_ids: Iterable[str]) -> list[Execution]:
        """The executions of these ids; as many as there are."""
        with translating_errors():
            return [_execution(document) for document in ExecutionDocument.objects(id__in=list(execution_ids))]

    def compare_and_set(
        self, execution_id: str, *, states: Iterable[State], claim: int | None, changes: Mapping[str, Any]
    ) -> Execution | None:
        """Apply the changes if state and claim are as expected; the execution afterwards, else None."""
        expected: dict[str, Any] = {"id": execution_id, "state__in": [state.value for state in states]}
        if claim is not None:
            expected["claim"] = claim
        with translating_errors():
            try:
                document = ExecutionDocument.objects(**expected).modify(new=True, **update_of(changes))
            except NotUniqueError:  # another one has this turn
                return None
        return _execution(document) if document else None

    def set_all(self, execution_ids: Iterable[str], *, state: State, claim: int, changes: Mapping[str, Any]) -> int:
        """The same change to each of these whose state and claim are these; how many those were."""
        expected = ExecutionDocument.objects(id__in=list(execution_ids), state=state.value, claim=claim)
        with translating_errors():
            return int(expected.update(**update_of(changes)))

    def note_usage(self, execution_id: str, claim: int, usage: ResourceUsage) -> None:
        """Store a sample, if the claim is the newest and the execution has not ended. It need not be durable."""
        with translating_errors():
            found = ExecutionDocument.objects(id=execution_id, claim=claim, state__in=_HELD)
            found.update_one(set__usage=_usage_document(usage), write_concern=SOON_ENOUGH)

    def page_of_job(self, job_id: str, number: int, per_page: int, states: Iterable[State] = ()) -> list[Execution]:
        """A page of a job's executions, or of those in some states, the newest first."""
        chosen = {"state__in": names} if (names := [state.value for state in states]) else {}
        found = ExecutionDocument.objects(job_id=job_id, **chosen).order_by("-created_at", "-id")
        return listed(found.skip((number - 1) * per_page), per_page)

    def slice(self, chosen: ExecutionFilter, limit: int, after: Position | None = None) -> Slice[Execution]:
        """Some of the executions that are wanted, the newest first."""
        found, following = read_slice(ExecutionDocument, _choice(chosen, after), limit)
        return Slice(tuple(map(_execution, found)), following)

    def last_of_job(self, job_id: str) -> Execution | None:
        """The newest execution of a job."""
        return _first(ExecutionDocument.objects(job_id=job_id).order_by("-created_at", "-id"))

    def next_of_job(self, job_id: str) -> Execution | None:
        """The first attempt of a job that waits for its time, the earliest of them."""
        waiting = ExecutionDocument.objects(job_id=job_id, state=State.SCHEDULED.value, attempt=1)
        return _first(waiting.order_by("due_at", "id"))

    def next_scheduled(self, limit: int, *, visible: str | None = None) -> list[Execution]:
        """The executions that wait for their time, the earliest first."""
        waiting = _visible(visible)(**_HAS_A_TIME, held__ne=True)
        return listed(waiting.order_by("due_at", "id"), limit)

    def count_scheduled(self, *, visible: str | None = None) -> int:
        """How many executions wait for their time."""
        query = _visible(visible)(**_HAS_A_TIME)
        with translating_errors():
            return int(query.count())

    def count_at_work(self, api_key_id: str, limit: int) -> int:
        """How many executions that a key has made wait in a queue or run; counted up to `limit`."""
        query = ExecutionDocument.objects(api_key_id=api_key_id, state__in=_UNDER_WAY)
        with translating_errors():
            return int(query.limit(limit).count(with_limit_and_skip=True))

    def open_of_job(self, job_id: str, limit: int) -> list[Execution]:
        """The executions of a job that have not ended and that nobody has asked to stop, the oldest first."""
        query = ExecutionDocument.objects(job_id=job_id, state__in=_OPEN, stop_requested_at=None)
        return listed(query.order_by("created_at", "id"), limit)

    def scheduled_of_job(
        self, job_id: str, limit: int, *, held: bool | None = None, below_revision: int | None = None
    ) -> list[Execution]:
        """The executions of a job that wait for their time, the earliest first."""
        wanted = {"held": held, "revision__lt": below_revision}
        query = {name: value for name, value in wanted.items() if value is not None}
        found = ExecutionDocument.objects(job_id=job_id, state=State.SCHEDULED.value, **query)
        return listed(found.order_by("due_at", "id"), limit)

    def in_the_way(self, job_id: str, limit: int) -> list[Execution]:
        """The executions of a job that are under way or still to be tried again: all that is open but first attempts
        which wait for their time. One query, so that an attempt and its retry cannot both be overlooked."""
        under_way = Q(state__in=_UNDER_WAY) | Q(state=State.SCHEDULED.value, attempt__gt=1) | Q(owes_retry=True)
        return listed(ExecutionDocument.objects(Q(job_id=job_id) & under_way).order_by("created_at", "id"), limit)

    def held_by(self, node: str, limit: int) -> list[Execution]:
        """The executions that are pulling or running on a node."""
        return listed(ExecutionDocument.objects(node=node, state__in=_HELD).order_by("id"), limit)

    def enqueued(self, before: datetime, after: Position | None, limit: int) -> list[Position]:
        """Those that are enqueued, and were so before an instant: by creation, the oldest first, from a place on."""
        query = {"state": State.ENQUEUED.value, f"times.{State.ENQUEUED}": {"$lte": before}}
        if after is not None:
            same_instant = {"created_at": after.created_at, "_id": {"$gt": after.id}}
            # The first part says nothing more than the second; it is what the range of the index is made of.
            query["created_at"] = {"$gte": after.created_at}
            query["$or"] = [{"created_at": {"$gt": after.created_at}}, same_instant]
        found = ExecutionDocument.objects(__raw__=query).order_by("created_at", "id").limit(limit)
        with translating_errors():
            return [Position(*place) for place in found.scalar("created_at", "id")]

    def overdue(self, before: datetime, after_id: str | None, limit: int) -> list[str]:
        """The ids of those that wait for their time, and were due before an instant, in order, after `after_id`."""
        query = ExecutionDocument.objects(state=State.SCHEDULED.value, due_at__lte=before, held__ne=True)
        if after_id is not None:
            query = query.filter(id__gt=after_id)
        with translating_errors():
            return list(query.order_by("id").limit(limit).scalar("id"))

    def on_silent_nodes(self, silent: Iterable[str], limit: int) -> list[Execution]:
        """The executions that are pulling or running on one of these nodes."""
        return listed(ExecutionDocument.objects(node__in=list(silent), state__in=_HELD).order_by("id"), limit)

    def owing_retry(self, limit: int) -> list[Execution]:
        """Ended executions whose next attempt may not have been made yet."""
        return listed(ExecutionDocument.objects(owes_retry=True), limit)

    def owing_deliveries(self, limit: int) -> list[Execution]:
        """Executions with something in `owed_deliveries`."""
        return listed(ExecutionDocument.objects(owed_deliveries__id__exists=True), limit)

    def settle_deliveries(self, execution_id: str, delivery_ids: Iterable[str]) -> None:
        """Take these out of `owed_deliveries`, and leave whatever else has come there meanwhile."""
        with translating_errors():
            ExecutionDocument.objects(id=execution_id).update_one(pull__owed_deliveries__id__in=list(delivery_ids))

    def stop_wishes(self, node: str) -> list[str]:
        """The ids of the executions on a node that somebody has asked to stop."""
        query = ExecutionDocument.objects(node=node, state__in=_HELD, stop_requested_at__ne=None)
        with translating_errors():
            return list(query.scalar("id"))

    def ended(self, before: datetime, after: EndedExecution | None, limit: int) -> list[EndedExecution]:
        """Executions that ended before an instant, in the order in which they did, those after `after`."""
        query = Q(finished_at__lte=before)
        if after is not None:
            same_instant = Q(finished_at=after.finished_at, id__gt=after.id)
            query &= Q(finished_at__gte=after.finished_at) & (Q(finished_at__gt=after.finished_at) | same_instant)
        found = ExecutionDocument.objects(query).only(*_OF_ENDED).order_by("finished_at", "id").limit(limit)
        with translating_errors():
            return [EndedExecution(*values) for values in found.scalar(*_OF_ENDED)]

    def to_prune(self, now: datetime) -> Iterator[Execution]:
        """Executions whose `prune_at` has come, the earliest first, read in batches; they may change meanwhile."""
        found = ExecutionDocument.objects(prune_at__lte=now).order_by("prune_at")
        with translating_errors():
            for document in found.batch_size(BATCH).no_cache():
                yield _execution(document)

    def ended_of_job(self, job_id: str, but_last: int, limit: int) -> list[Execution]:
        """The ended executions of a job but the `but_last` newest ones, the newest first."""
        ended = ExecutionDocument.objects(job_id=job_id, state__in=_ENDED)
        return listed(ended.order_by("-created_at", "-id").skip(but_last), limit)

    def was_followed(self, execution: Execution | EndedExecution) -> bool:
        """Whether its job has a newer execution that does not merely wait for its time."""
        same_instant = Q(created_at=execution.created_at, id__gt=execution.id)
        newer = Q(created_at__gt=execution.created_at) | same_instant
        query = Q(job_id=execution.job_id, created_at__gte=execution.created_at, state__ne=State.SCHEDULED.value)
        with translating_errors():
            found = ExecutionDocument.objects(query & newer).order_by("-created_at", "-id").only("id").first()
        return found is not None

    def delete(self, execution_id: str) -> bool:
        """Delete an execution that has ended and owes nothing; whether there was one."""
        free = {"owes_retry__ne": True, "owes_follow_up__ne": True, "owed_deliveries__id__exists": False}
        with translating_errors():
            found = ExecutionDocument.objects(id=execution_id, state__in=_ENDED, counted__ne=False, **free)
            is_deleted = bool(found.delete(write_concern=SOON_ENOUGH))
            if not is_deleted and count_ended(1, among=[execution_id]):
                is_deleted = bool(found.delete(write_concern=SOON_ENOUGH))
        return is_deleted

    def needs_file(self, file_id: str) -> bool:
        """Whether an execution that has not ended, or the next attempt of one that has, is to get this file."""
        named = ExecutionDocument.objects(input_files=file_id)
        with translating_errors():
            return any(
                found.only("id").first() is not None
                for found in (named.filter(state__in=_OPEN), named.filter(state__in=_ENDED, owes_retry=True))
            )


def _visible(visible: str | None) -> QuerySet:
    with translating_errors():
        return ExecutionDocument.objects(__raw__=of_visible_tasks(visible))


def _duplicates(error: StoreUnavailable) -> set[int]:
    """Which documents of an insertion were there already. Raises the error again where it is about anything else."""
    cause = error.__cause__
    faults = cause.details["writeErrors"] if isinstance(cause, BulkWriteError) and cause.details else []
    if not faults or any(fault["code"] != DUPLICATE_KEY for fault in faults):
        raise error
    return {fault["index"] for fault in faults}


def _choice(chosen: ExecutionFilter, after: Position | None) -> Choice:
    """The first of these that is asked for picks the index; each of those has the state in it, too."""
    terms = [("labels", term) for term in chosen.labels]
    owners = [("job_id", chosen.job_id), *terms, ("node", chosen.node), ("task_id", chosen.task_id)]
    wanted: list[tuple[str, Any]] = [(name, value) for name, value in owners if value is not None]
    visible = of_visible_tasks(chosen.visible)
    if not wanted and len(named := visible.get("task_id", {}).get("$in", ())) in range(1, MOST_MERGED):
        wanted, visible = [("task_id", {"$in": named})], {}
    narrow = created(chosen.since, chosen.until, after) | dict(wanted[:1])
    # Where any state will do, all are named: then each is a range of the index, and they are merged in order.
    states = chosen.states or (wanted and list(State))
    if states:
        narrow["state"] = {"$in": [state.value for state in states]}
    others = [*({name: value} for name, value in wanted[1:]), visible]
    rest = {"$and": found} if (found := [other for other in others if other]) else {}
    prefix = dict.fromkeys((*dict(wanted[:1]), *(["state"] if states else [])), 1)
    order = {"created_at": 1, "_id": 1} if "job_id" in prefix else NEWEST_FIRST
    return Choice(prefix | order, narrow, rest)


def update_of(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes of fields of an execution, as mongoengine takes them."""
    fields = {name: value for name, value in changes.items() if name != "moved_at"}
    if "state" in fields:
        fields[f"times__{fields['state'].value}"] = changes["moved_at"]
        if fields["state"].is_terminal:
            fields["counted"] = False
    if "owed_deliveries" in fields:
        fields["owed_deliveries"] = owed_documents(fields["owed_deliveries"])
    if "usage" in fields:
        fields["usage"] = _usage_document(fields["usage"])
    if "artifacts" in fields:
        fields["artifacts"] = _summary_document(fields["artifacts"])
    # None is absent, as in a document that is saved: indexes of what is there leave it out.
    return {f"unset__{name}" if value is None else f"set__{name}": _plain(value) for name, value in fields.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return value.value if isinstance(value, State | Cause) else value


def _first(query: QuerySet) -> Execution | None:
    with translating_errors():
        document = query.first()
    return _execution(document) if document else None


def listed(query: QuerySet, limit: int) -> list[Execution]:
    """The executions that a query finds, at most `limit`."""
    with translating_errors():
        return [_execution(document) for document in query.limit(limit)]


def execution_document(execution: Execution) -> ExecutionDocument:
    """The execution as it is stored."""
    return ExecutionDocument(
        spec=execution.spec.to_json(),
        state=execution.state.value,
        cause=_plain(execution.cause),
        times={state.value: at for state, at in execution.times.items()},
        labels=label_terms(execution.spec.labels) or None,
        owed_deliveries=owed_documents(execution.owed_deliveries),
        waits_for=list(execution.waits_for),
        usage=_usage_document(execution.usage),
        gpu_ids=list(execution.gpu_ids),
        limits=list(execution.limits),
        artifacts=_summary_document(execution.artifacts),
        input_files=[one.file for one in execution.spec.inputs] or None,
        counted=False if execution.state.is_terminal else None,
        **{name: getattr(execution, name) for name in _PLAIN_FIELDS},
    )


def _execution(document: ExecutionDocument) -> Execution:
    return Execution(
        spec=JobSpec.model_validate_json(document.spec),
        state=State(document.state),
        cause=Cause(document.cause) if document.cause else None,
        times={State(name): at for name, at in document.times.items()},
        owed_deliveries=tuple(map(owed_delivery, document.owed_deliveries)),
        waits_for=tuple(document.waits_for),
        usage=_usage(document.usage),
        gpu_ids=tuple(document.gpu_ids),
        limits=tuple(document.limits),
        artifacts=_summary(document.artifacts),
        **{name: getattr(document, name) for name in _PLAIN_FIELDS},
    )


def _usage_document(usage: ResourceUsage | None) -> UsageDocument | None:
    return UsageDocument(**asdict(usage)) if usage is not None else None


def _usage(document: UsageDocument | None) -> ResourceUsage | None:
    return ResourceUsage(**document.to_mongo()) if document is not None else None


def _summary_document(summary: ArtifactSummary | None) -> ArtifactSummaryDocument | None:
    return ArtifactSummaryDocument(**asdict(summary)) if summary is not None else None


def _summary(document: ArtifactSummaryDocument | None) -> ArtifactSummary | None:
    return ArtifactSummary(**document.to_mongo()) if document is not None else None
