"""From the body of a request to a job's specification; from pydantic's errors to faults in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from jobrunner.api.json_body import parse_object
from jobrunner.domain.arrays import Array
from jobrunner.domain.bulk import BulkDependency, BulkJob, BulkJobs
from jobrunner.domain.container_options import ContainerOptions, Ulimit, VolumeMount
from jobrunner.domain.dependencies import Dependency
from jobrunner.domain.files import Input, Output
from jobrunner.domain.hooks import Notify, Webhook, Webhooks
from jobrunner.domain.misfire import Misfire
from jobrunner.domain.placement import Concurrency, Placement
from jobrunner.domain.resources import ResourceRequest
from jobrunner.domain.retention import Retention
from jobrunner.domain.retry import RetryPolicy
from jobrunner.domain.specification import Specification
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.templates import Parameter
from jobrunner.errors import Fault, InvalidRequest

# The parts of a specification that have keys of their own, by the first key of a path to one of those, and its length.
_PARTS: dict[tuple[str, int], type[Specification]] = {
    ("webhook", 2): Webhook,
    ("webhooks", 2): Webhooks,
    ("webhooks", 4): Webhook,
    ("notify", 2): Notify,
    ("retryPolicy", 2): RetryPolicy,
    ("retention", 2): Retention,
    ("misfire", 2): Misfire,
    ("resources", 2): ResourceRequest,
    ("placement", 2): Placement,
    ("concurrency", 2): Concurrency,
    ("container", 2): ContainerOptions,
    ("after", 3): Dependency,
    ("array", 2): Array,
    ("parameters", 3): Parameter,
    ("inputs", 3): Input,
    ("outputs", 3): Output,
}
Specified = TypeVar("Specified", bound=Specification)
_PARTS_OF_CONTAINER: dict[str, type[Specification]] = {"ulimits": Ulimit, "volumes": VolumeMount}
_KEY_MARK = "[key]"  # pydantic's sign that the key of a dict is at fault, not its value

_REASONS = {
    "missing": "is required",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "tuple_type": "must be a list",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "too_long": "must have a length of at most {max_length}",
    "enum": "must be {expected}",
    "ip_any_address": "must be an IP address",
    "string_pattern_mismatch": "must match {pattern}",
    "value_error": "{error}",
}


def parse_spec(body: bytes) -> JobSpec:
    """The specification in the body of a request. Raises InvalidRequest, naming every key at fault."""
    return parse_as(JobSpec, body)


def parse_as(model: type[Specified], body: bytes) -> Specified:
    """The body of a request as what it specifies. Raises InvalidRequest, naming every key at fault."""
    return specify(model, parse_object(body))


def specify(model: type[Specified], document: Mapping[str, Any]) -> Specified:
    """What an object specifies. Raises InvalidRequest, naming every key at fault."""
    try:
        return model.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        # Without the input: it may hold secrets.
        faults = [_fault(detail, model) for detail in error.errors(include_url=False, include_input=False)]
        raise InvalidRequest(*faults) from None


def _fault(detail: ErrorDetails, model: type[Specification] = JobSpec) -> Fault:
    path = [str(part) for part in detail["loc"] if part != _KEY_MARK]
    if detail["type"] == "extra_forbidden":
        return Fault(".".join(path), f"is not a known key; known keys are {_known_keys(path, model)}")
    return Fault(".".join(path) or "body", _reason(detail["type"], detail.get("ctx", {}), detail["msg"]))


def _known_keys(path: Sequence[str], model: type[Specification]) -> str:
    parts: dict[tuple[str, int], type[Specification]] = _PARTS
    if model is BulkJobs and path[0] == "jobs" and len(path) > 2:
        path, model, parts = path[2:], BulkJob, _PARTS | {("after", 3): BulkDependency}
    part = parts.get((path[0], len(path)), model)
    if path[0] == "container" and len(path) > 2:
        part = _PARTS_OF_CONTAINER[path[1]]
    return ", ".join(sorted(field.alias or name for name, field in part.model_fields.items()))


def _reason(kind: str, context: Mapping[str, Any], message: str) -> str:
    if kind in _REASONS:
        return _REASONS[kind].format_map(context)
    return message.replace("Input should be", "must be", 1)
