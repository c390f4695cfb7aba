"""Who sees for himself what happens: the Engines' events, MongoDB's changes, Redis' notifications, the receiver."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import docker.errors
import requests
import urllib3
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from redis.exceptions import RedisError

from jobrunner.domain.states import TERMINAL
from tests.chaos.farm import ChaosFarm
from tests.chaos.moments import Moment, Moments
from tests.chaos.records import ContainerEvent, HookCall, SeenState
from tests.support.receiver import Call, Receiver

ACTIONS = {"create": Moment.CREATED, "start": Moment.STARTED, "die": Moment.EXITED, "destroy": None}
PAUSE_SECONDS = 0.1  # between two tries to reach what is away
TERMINAL_NAMES = frozenset(map(str, TERMINAL))


class Witness:
    """Watches from threads of its own until it is told to end. What it has seen is in its lists."""

    def __init__(self, farm: ChaosFarm, moments: Moments) -> None:
        self._farm, self._moments = farm, moments
        self._stopping = threading.Event()
        self.container_events: list[ContainerEvent] = []
        self.states: list[SeenState] = []
        self._since = dict.fromkeys(farm.engines.hosts, int(time.time()))
        self._told: set[tuple[str, str]] = set()
        self._resume_token: Any = None
        self._events: dict[str, Any] = {}  # of each Engine: a stream that closing breaks off

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while the block runs."""
        engines = [partial(self._watch_engine, name) for name in self._farm.engines.hosts]
        watches = (*engines, self._watch_store, self._watch_queue)
        threads = [threading.Thread(target=self._again_and_again, args=(watch,), daemon=True) for watch in watches]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for events in self._events.values():
                events.close()
            for thread in threads:
                thread.join(10)

    def _again_and_again(self, watch: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            try:
                watch()
            except (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError):
                pass  # the Engine is away: its events since the last look are asked for again
            except (PyMongoError, RedisError):
                pass  # so is the service; the change stream goes on from its token
            self._stopping.wait(PAUSE_SECONDS)

    # ---- the Engines

    def _watch_engine(self, name: str) -> None:
        filters = {"type": "container", **self._farm.labelled()}
        with closing(self._farm.engines.client(name)) as engine:
            self._events[name] = engine.events(since=self._since[name], filters=filters, decode=True)
            for event in self._events[name]:
                self._note_container(event)
                self._since[name] = int(event["time"]) - 1

    def _note_container(self, event: dict[str, Any]) -> None:
        container_id, action = event["Actor"]["ID"], event["Action"]
        attributes = event["Actor"]["Attributes"]
        key = (container_id, f"{action} {event['timeNano']}")
        if action not in ACTIONS or key in self._told:
            return
        self._told.add(key)
        node = attributes["jobrunner.node"]
        moment = ACTIONS[action]
        if moment is not None:
            self._moments.tell(moment, node)
        seen = ContainerEvent(event["timeNano"] / 1e9, action, container_id, attributes["jobrunner.execution"], node)
        self.container_events.append(seen)

    # ---- MongoDB

    def _watch_store(self) -> None:
        timeouts = {"serverSelectionTimeoutMS": 2000, "socketTimeoutMS": 10_000}
        with MongoClient[dict[str, Any]](self._farm.mongod.url, **timeouts) as client:
            executions = client[self._farm.name]["executions"]
            with executions.watch(resume_after=self._resume_token, max_await_time_ms=500) as stream:
                while not self._stopping.is_set() and stream.alive:
                    change = stream.try_next()
                    self._resume_token = stream.resume_token
                    if change is not None:
                        self._note_change(change)

    def _note_change(self, change: dict[str, Any]) -> None:
        document = change.get("fullDocument") or change.get("updateDescription", {}).get("updatedFields", {})
        state = document.get("state")
        if state is None:
            return
        if change["operationType"] == "insert":
            self._moments.tell(Moment.ACCEPTED)
        elif state == "enqueued":
            self._moments.tell(Moment.FIRED)
        elif state == "pulling":
            self._moments.tell(Moment.PULLING, document.get("node"))
        elif state in TERMINAL_NAMES:
            self._moments.tell(Moment.CLOSED)
        self.states.append(SeenState(time.time(), change["documentKey"]["_id"], state, "change stream"))

    # ---- Redis

    def _watch_queue(self) -> None:
        with self._farm.redis.client() as client, client.pubsub() as told:
            told.psubscribe("__keyspace@0__:*intermediate*")
            while not self._stopping.is_set():
                message = told.get_message(ignore_subscribe_messages=True, timeout=0.5)
                if message is not None and message["data"] == b"rpush":
                    key = message["channel"].decode().removeprefix("__keyspace@0__:")
                    self._moments.tell(Moment.TAKEN, self._taker(client, key))

    def _taker(self, client: Any, key: str) -> str | None:
        newest = client.lindex(key, -1)
        taken_by = client.hget(f"rq:job:{newest.decode()}", "taken_by") if newest else None
        return self._farm.node_of(taken_by.decode()) if taken_by else None


def hook_calls(receiver: Receiver) -> list[HookCall]:
    """The webhooks that came in; those that broke off on their way are left out."""
    skew = time.time() - time.monotonic()
    return [seen for call in receiver.calls if (seen := _hook_call(call, skew)) is not None]


def _hook_call(call: Call, skew: float) -> HookCall | None:
    try:
        body = json.loads(call.body)
    except ValueError:
        return None
    identity = call.headers.get("webhook-id", "")
    return HookCall(call.at + skew, identity, body["data"]["executionId"], body["type"], taken=not call.mood)
