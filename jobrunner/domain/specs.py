"""What a job is to do: one validated, immutable object.

Its aliases are the keys of the native API (specs/fastlane-api.md and its job payload). Unknown keys are an error.
Nothing here depends on when it is read: instants that depend on "now" are worked out when the job is submitted.
"""

from __future__ import annotations

import ipaddress
import json
import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from jobrunner.domain.arrays import Array
from jobrunner.domain.commands import Command, words_of
from jobrunner.domain.container_options import ContainerOptions
from jobrunner.domain.dependencies import Dependencies
from jobrunner.domain.envs import EnvName, EnvValue
from jobrunner.domain.files import RESULT_VARIABLE, Inputs, Outputs, ResultPath
from jobrunner.domain.hooks import Moment, Notify, Secret, Webhook, Webhooks
from jobrunner.domain.images import PullPolicy, parse_image
from jobrunner.domain.labels import Labels
from jobrunner.domain.misfire import Misfire
from jobrunner.domain.placement import Concurrency, Placement, Priority
from jobrunner.domain.resources import ResourceRequest
from jobrunner.domain.retention import Retention
from jobrunner.domain.retry import RetryPolicy
from jobrunner.domain.schedules import check_cron, check_timezone, parse_duration, parse_instant
from jobrunner.domain.specification import Number, Specification, Text, WholeNumber

MOST_ENVS = 1000
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")


def _image(value: str) -> str:
    return str(parse_image(value))


def _instant(value: float) -> float:
    parse_instant(value)
    return value


def _duration(value: str) -> str:
    parse_duration(value)
    return value


def _address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError("must be an IP address such as '192.0.2.7'") from None


def _host_name(value: str) -> str:
    if not _HOST_NAME.fullmatch(value):
        raise ValueError("must be a host name")
    return value


def _json_object(value: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"must be JSON ({error})") from None
    return value


UnixSeconds = Annotated[float, Number, AfterValidator(_instant)]


class Overlap(StrEnum):
    """What a tick does while an earlier execution of its job is not over: start too, give way, or take its place."""

    ALLOW = "allow"
    SKIP = "skip"
    REPLACE = "replace"


class JobSpec(Specification):
    """What one execution needs to run, as the caller gave it, checked."""

    image: Annotated[Text, StringConstraints(min_length=1, max_length=1024), AfterValidator(_image)]
    command: Command | None = None
    envs: Annotated[
        dict[EnvName, EnvValue],
        Field(max_length=MOST_ENVS),
    ] = Field(default_factory=dict, repr=False)
    caller_metadata: Annotated[dict[str, Any], AfterValidator(_json_object)] = Field(
        default_factory=dict, alias="metadata", repr=False
    )
    timeout: Annotated[WholeNumber, Field(ge=1, le=10**9)] | None = None
    stop_grace: Annotated[WholeNumber, Field(ge=0, le=3600)] | None = None
    pull_policy: PullPolicy = PullPolicy.MISSING
    retries: Annotated[WholeNumber, Field(ge=0, le=100)] = 0
    retry_policy: RetryPolicy | None = None
    expiration: UnixSeconds | None = None
    start_in: Annotated[Text, AfterValidator(_duration)] | None = None
    start_at: UnixSeconds | None = None
    cron: Annotated[Text, AfterValidator(check_cron)] | None = None
    timezone: Annotated[Text, AfterValidator(check_timezone)] = "UTC"
    misfire: Misfire | None = None
    overlap: Overlap = Overlap.ALLOW
    jitter_seconds: Annotated[WholeNumber, Field(ge=0, le=3600)] = 0
    additional_dns_entries: Annotated[
        dict[Annotated[str, AfterValidator(_host_name)], Annotated[Text, AfterValidator(_address)]],
        Field(max_length=100),
    ] = Field(default_factory=dict, alias="additionalDNSEntries")
    resources: ResourceRequest = ResourceRequest()
    placement: Placement = Placement()
    priority: Priority = Priority.NORMAL
    concurrency: Concurrency | None = None
    container: ContainerOptions = ContainerOptions()
    webhooks: Webhooks = Webhooks()
    webhook: Webhook | None = None  # short for one of webhooks.finishes
    webhook_secret: Secret | None = Field(None, repr=False)
    notify: Notify = Notify()
    output_cap_bytes: Annotated[WholeNumber, Field(ge=1, le=2**53)] | None = None
    retention: Retention = Retention()
    after: Dependencies = ()
    array: Array | None = None
    inputs: Inputs = ()
    outputs: Outputs = ()
    result: ResultPath = None

    @field_validator("retry_policy")
    @classmethod
    def _has_retries(cls, policy: RetryPolicy | None, info: ValidationInfo) -> RetryPolicy | None:
        if policy is not None and info.data.get("retries") == 0:
            raise ValueError("is of no use without retries: give `retries` too, 1 or more")
        return policy

    @field_validator("misfire", "overlap", "jitter_seconds")
    @classmethod
    def _only_of_a_cron(cls, value: Any, given: ValidationInfo) -> Any:
        if "cron" in given.data and given.data["cron"] is None:
            raise ValueError("can be given only with cron")
        return value

    @property
    def missed(self) -> Misfire:
        """What becomes of the ticks of its cron that were missed."""
        return self.misfire or Misfire()

    labels: Labels = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_start(self) -> JobSpec:
        starts = {"startIn": self.start_in, "startAt": self.start_at, "cron": self.cron}
        given = [name for name, value in starts.items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"only one of startIn, startAt and cron may be given, not {' and '.join(given)}")
        if given and self.after:
            raise ValueError(f"after cannot be given together with {given[0]}: it says when the job starts")
        return self

    @model_validator(mode="after")
    def _starts_at_once(self) -> JobSpec:
        later = next((name for name in ("start_in", "start_at", "cron") if getattr(self, name) is not None), None)
        if self.array is not None and later is not None:
            raise ValueError("array goes without startIn, startAt and cron")
        if self.array is not None and self.retention.keep_last is not None:
            raise ValueError("array goes without retention.keepLast: its executions are kept or deleted by their age")
        return self

    @property
    def words(self) -> tuple[str, ...] | None:
        """The command as the list of words that the container gets; None for the image's own command."""
        return None if self.command is None else words_of(self.command)

    @property
    def container_envs(self) -> dict[str, str]:
        """The environment of the container: the caller's, and where to write the result, where one is wanted."""
        return dict(self.envs) | ({RESULT_VARIABLE: self.result} if self.result else {})

    @property
    def expires_at(self) -> datetime | None:
        """The instant after which it may not start any more."""
        return None if self.expiration is None else parse_instant(self.expiration)

    def webhooks_for(self, moment: Moment) -> tuple[Webhook, ...]:
        """The calls to make at a moment, the one of the short form last."""
        given: tuple[Webhook, ...] = getattr(self.webhooks, moment)
        return (*given, self.webhook) if self.webhook is not None and moment is Moment.FINISHES else given

    def addresses_for(self, moment: Moment) -> tuple[str, ...]:
        """Who gets an e-mail at a moment."""
        addresses: tuple[str, ...] = getattr(self.notify, moment)
        return addresses

    def to_json(self) -> str:
        """The whole specification as JSON, secrets included: for the store, not for people."""
        return self.model_dump_json(by_alias=True, exclude_defaults=True)
