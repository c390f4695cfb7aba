"""Templates of jobs: a definition with parameters, `{{name}}` in its strings, that is started with values for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, ValidationError, model_validator
from pydantic_core import SchemaError

from jobrunner.domain.bulk import TaskId
from jobrunner.domain.specification import Number, Specification, Text, check_text
from jobrunner.domain.specs import JobSpec
from jobrunner.errors import Fault, InvalidRequest

LONGEST_VALUE = 32 * 1024
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_PLACE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]{0,63})\s*\}\}")

Scalar = str | int | float | bool


class Kind(StrEnum):
    """What a parameter takes."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    ENUM = "enum"


_IS_OF_KIND: dict[Kind, Callable[[Any], bool]] = {
    Kind.STRING: lambda value: isinstance(value, str),
    Kind.ENUM: lambda value: isinstance(value, str),
    Kind.BOOLEAN: lambda value: isinstance(value, bool),
    Kind.INTEGER: lambda value: isinstance(value, int) and not isinstance(value, bool),
    Kind.NUMBER: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}
_OWN_KEYS = {
    "pattern": {Kind.STRING},
    "minimum": {Kind.INTEGER, Kind.NUMBER},
    "maximum": {Kind.INTEGER, Kind.NUMBER},
    "values": {Kind.ENUM},
}


def _pattern(value: str) -> str:
    try:
        _matcher(value)
    except SchemaError:
        raise ValueError("must be a regular expression (without look-around and back references)") from None
    return value


def _matcher(pattern: str) -> TypeAdapter[str]:
    # pydantic's own engine: its time grows with the text, whatever the pattern.
    return TypeAdapter(Annotated[str, StringConstraints(pattern=f"^(?:{pattern})$")])


class Parameter(Specification):
    """What a template is to be given. Without a default, it must be."""

    type: Kind = Kind.STRING
    default: Scalar | None = Field(None, repr=False)
    description: Annotated[Text, StringConstraints(max_length=1000)] = ""
    pattern: Annotated[Text, StringConstraints(max_length=500), AfterValidator(_pattern)] | None = None
    minimum: Annotated[float, Number] | None = None
    maximum: Annotated[float, Number] | None = None
    values: Annotated[tuple[Text, ...], Field(max_length=1000)] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Parameter:
        for key, kinds in _OWN_KEYS.items():
            if getattr(self, key) is not None and self.type not in kinds:
                raise ValueError(f"{key} is of no use for a parameter of type {self.type.value}")
        if self.type is Kind.ENUM and not self.values:
            raise ValueError("a parameter of type enum needs values")
        reason = self.fault_of(self.default) if self.default is not None else None
        if reason:
            raise ValueError(f"default {reason}")
        return self

    def fault_of(self, value: Any) -> str | None:
        """Why a value cannot be taken; None: it can."""
        if not _IS_OF_KIND[self.type](value):
            return f"must be {'one of its values' if self.type is Kind.ENUM else f'of type {self.type.value}'}"
        return self._fault_of_text(value) if isinstance(value, str) else self._fault_of_number(value)

    def _fault_of_text(self, value: str) -> str | None:
        if len(value) > LONGEST_VALUE:
            return f"must have at most {LONGEST_VALUE} characters"
        try:
            check_text(value)
            if self.pattern is not None:
                _matcher(self.pattern).validate_python(value)
        except ValidationError:
            return f"must match {self.pattern}"
        except ValueError as error:
            return str(error)
        return f"must be one of {', '.join(self.values)}" if self.values and value not in self.values else None

    def _fault_of_number(self, value: float) -> str | None:
        if self.minimum is not None and value < self.minimum:
            return f"must be at least {self.minimum:g}"
        return f"must be at most {self.maximum:g}" if self.maximum is not None and value > self.maximum else None


class TemplateDefinition(Specification):
    """What a template is: its parameters, and a job in whose strings they stand."""

    description: Annotated[Text, StringConstraints(max_length=1000)] = ""
    parameters: Annotated[
        dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")], Parameter],
        Field(max_length=100),
    ] = Field(default_factory=dict)
    job: dict[str, Any] = Field(repr=False)


class TemplateStart(Specification):
    """What a template is started with."""

    task: TaskId
    values: dict[str, Any] = Field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Template:
    """A stored definition. `revision` counts how often it was replaced."""

    name: str
    definition: TemplateDefinition
    created_at: datetime
    modified_at: datetime
    revision: int = 0


def check_template_name(name: str) -> str:
    """`name`, if a template can have it. Raises InvalidRequest."""
    if not re.fullmatch(NAME, name):
        reason = "must have 1 to 64 letters, digits, '_', '.' or '-', and begin with a letter or a digit"
        raise InvalidRequest(Fault("name", reason))
    return name


def check_definition(definition: TemplateDefinition) -> None:
    """Raise InvalidRequest for each key of the job that no job has, and each parameter in it that is not declared."""
    known = {field.alias or name for name, field in JobSpec.model_fields.items()}
    faults = [Fault(f"job.{key}", "is not a key of a job") for key in definition.job if key not in known]
    for path, text in _strings(definition.job, "job"):
        undeclared = sorted(set(_PLACE.findall(text)) - set(definition.parameters))
        faults += [Fault(path, f"there is no parameter {name!r}") for name in undeclared]
    if faults:
        raise InvalidRequest(*faults)


def fill(definition: TemplateDefinition, values: Mapping[str, Any]) -> dict[str, Any]:
    """The job with these values in it, still to be checked. Raises InvalidRequest, naming each value at fault."""
    faults = list(_faults_of_values(definition.parameters, values))
    if faults:
        raise InvalidRequest(*faults)
    defaults = {name: parameter.default for name, parameter in definition.parameters.items()}
    filled: dict[str, Any] = _filled(definition.job, defaults | dict(values))
    return filled


def _faults_of_values(parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> Iterator[Fault]:
    for name in values:
        if name not in parameters:
            yield Fault(
                f"values.{name}", f"is not a parameter; parameters are {', '.join(sorted(parameters)) or 'none'}"
            )
    for name, parameter in parameters.items():
        if name not in values and parameter.default is None:
            yield Fault(f"values.{name}", "is required")
        elif name in values and (reason := parameter.fault_of(values[name])):
            yield Fault(f"values.{name}", reason)


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """All strings in a JSON value, but for keys, with where they are."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _strings(inner, f"{path}.{index}")


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    """The same with values in the place of names. A string that is nothing but a name becomes the value itself."""
    if isinstance(value, dict):
        return {key: _filled(inner, values) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, values) for inner in value]
    if not isinstance(value, str):
        return value
    alone = _PLACE.fullmatch(value)
    if alone and not isinstance(values[alone[1]], bool):
        return values[alone[1]]
    return _PLACE.sub(lambda place: _text(values[place[1]]), value)


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
