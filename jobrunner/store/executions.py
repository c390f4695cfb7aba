"""Executions in MongoDB. Every change of one goes through `compare_and_set`, or is that a debt has been settled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from mongoengine import NotUniqueError, QuerySet
from pymongo.errors import DuplicateKeyError

from jobrunner.domain.executions import Execution
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import ON_A_NODE, TERMINAL, State
from jobrunner.store.deliveries import owed_delivery, owed_documents
from jobrunner.store.documents import ExecutionDocument
from jobrunner.store.errors import translating_errors

_OWN_FIELDS = ("spec", "state", "cause", "times", "owed_deliveries", "gpu_ids", "limits")
_PLAIN_FIELDS = tuple(name for name in ExecutionDocument._fields if name not in _OWN_FIELDS)
_OPEN = [state.value for state in State if state not in TERMINAL]
_HELD = [state.value for state in ON_A_NODE]


class MongoExecutions:
    """The ExecutionStore port."""

    def add(self, execution: Execution) -> bool:
        """Store a new execution, durably; False where its id is there already."""
        try:
            with translating_errors():
                _document(execution).save(force_insert=True)
        except (NotUniqueError, DuplicateKeyError):
            return False
        return True

    def get(self, execution_id: str) -> Execution | None:
        """The execution of this id."""
        return _first(ExecutionDocument.objects(id=execution_id))

    def compare_and_set(
        self, execution_id: str, *, states: Iterable[State], claim: int | None, changes: Mapping[str, Any]
    ) -> Execution | None:
        """Apply the changes if state and claim are as expected; the execution afterwards, else None."""
        expected: dict[str, Any] = {"id": execution_id, "state__in": [state.value for state in states]}
        if claim is not None:
            expected["claim"] = claim
        with translating_errors():
            document = ExecutionDocument.objects(**expected).modify(new=True, **_update(changes))
        return _execution(document) if document else None

    def page_of_job(self, job_id: str, number: int, per_page: int) -> list[Execution]:
        """A page of a job's executions, the newest first."""
        found = ExecutionDocument.objects(job_id=job_id).order_by("-created_at", "-id")
        return _list(found.skip((number - 1) * per_page), per_page)

    def page(
        self,
        number: int,
        per_page: int,
        states: Iterable[State] = (),
        task_id: str | None = None,
        *,
        job_id: str | None = None,
        node: str | None = None,
        since: datetime | None = None,
    ) -> list[Execution]:
        """A page of all executions, or of those that are asked for, the newest first; one more if there is a next."""
        wanted = {
            "state__in": [state.value for state in states] or None,
            "task_id": task_id,
            "job_id": job_id,
            "node": node,
            "created_at__gte": since,
        }
        query = {name: value for name, value in wanted.items() if value is not None}
        found = ExecutionDocument.objects(**query).order_by("-created_at", "-id")
        return _list(found.skip((number - 1) * per_page), per_page + 1)

    def last_of_job(self, job_id: str) -> Execution | None:
        """The newest execution of a job."""
        return _first(ExecutionDocument.objects(job_id=job_id).order_by("-created_at", "-id"))

    def next_of_job(self, job_id: str) -> Execution | None:
        """The first attempt of a job that waits for its time, the earliest of them."""
        waiting = ExecutionDocument.objects(job_id=job_id, state=State.SCHEDULED.value, attempt=1)
        return _first(waiting.order_by("due_at", "id"))

    def next_scheduled(self, limit: int) -> list[Execution]:
        """The executions that wait for their time, the earliest first."""
        return _list(ExecutionDocument.objects(state=State.SCHEDULED.value).order_by("due_at", "id"), limit)

    def count_scheduled(self) -> int:
        """How many executions wait for their time."""
        with translating_errors():
            return int(ExecutionDocument.objects(state=State.SCHEDULED.value).count())

    def open_of_job(self, job_id: str, limit: int) -> list[Execution]:
        """The executions of a job that have not ended and that nobody has asked to stop, the oldest first."""
        query = ExecutionDocument.objects(job_id=job_id, state__in=_OPEN, stop_requested_at=None)
        return _list(query.order_by("created_at", "id"), limit)

    def held_by(self, node: str, limit: int) -> list[Execution]:
        """The executions that are pulling or running on a node."""
        return _list(ExecutionDocument.objects(node=node, state__in=_HELD).order_by("id"), limit)

    def waiting(self, state: State, before: datetime, after_id: str | None, limit: int) -> list[str]:
        """The ids of those that wait in this state, due or enqueued before an instant, in order, after `after_id`."""
        since = {"due_at__lte": before} if state is State.SCHEDULED else {f"times__{state}__lte": before}
        query = ExecutionDocument.objects(state=state.value, **since)
        if after_id is not None:
            query = query.filter(id__gt=after_id)
        with translating_errors():
            return list(query.order_by("id").limit(limit).scalar("id"))

    def on_silent_nodes(self, silent: Iterable[str], limit: int) -> list[Execution]:
        """The executions that are pulling or running on one of these nodes."""
        return _list(ExecutionDocument.objects(node__in=list(silent), state__in=_HELD).order_by("id"), limit)

    def owing_retry(self, limit: int) -> list[Execution]:
        """Ended executions whose next attempt may not have been made yet."""
        return _list(ExecutionDocument.objects(owes_retry=True), limit)

    def owing_deliveries(self, limit: int) -> list[Execution]:
        """Executions with something in `owed_deliveries`."""
        return _list(ExecutionDocument.objects(owed_deliveries__id__exists=True), limit)

    def settle_deliveries(self, execution_id: str, delivery_ids: Iterable[str]) -> None:
        """Take these out of `owed_deliveries`, and leave whatever else has come there meanwhile."""
        with translating_errors():
            ExecutionDocument.objects(id=execution_id).update_one(pull__owed_deliveries__id__in=list(delivery_ids))

    def stop_wishes(self, node: str) -> list[str]:
        """The ids of the executions on a node that somebody has asked to stop."""
        query = ExecutionDocument.objects(node=node, state__in=_HELD, stop_requested_at__ne=None)
        with translating_errors():
            return list(query.scalar("id"))


def _update(changes: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in changes.items() if name != "moved_at"}
    if "state" in fields:
        fields[f"times__{fields['state'].value}"] = changes["moved_at"]
    if "owed_deliveries" in fields:
        fields["owed_deliveries"] = owed_documents(fields["owed_deliveries"])
    return {f"set__{name}": _plain(value) for name, value in fields.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return value.value if isinstance(value, State | Cause) else value


def _first(query: QuerySet) -> Execution | None:
    with translating_errors():
        document = query.first()
    return _execution(document) if document else None


def _list(query: QuerySet, limit: int) -> list[Execution]:
    with translating_errors():
        return [_execution(document) for document in query.limit(limit)]


def _document(execution: Execution) -> ExecutionDocument:
    return ExecutionDocument(
        spec=execution.spec.to_json(),
        state=execution.state.value,
        cause=_plain(execution.cause),
        times={state.value: at for state, at in execution.times.items()},
        owed_deliveries=owed_documents(execution.owed_deliveries),
        gpu_ids=list(execution.gpu_ids),
        limits=list(execution.limits),
        **{name: getattr(execution, name) for name in _PLAIN_FIELDS},
    )


def _execution(document: ExecutionDocument) -> Execution:
    return Execution(
        spec=JobSpec.model_validate_json(document.spec),
        state=State(document.state),
        cause=Cause(document.cause) if document.cause else None,
        times={State(name): at for name, at in document.times.items()},
        owed_deliveries=tuple(map(owed_delivery, document.owed_deliveries)),
        gpu_ids=tuple(document.gpu_ids),
        limits=tuple(document.limits),
        **{name: getattr(document, name) for name in _PLAIN_FIELDS},
    )
