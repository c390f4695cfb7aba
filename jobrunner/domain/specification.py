"""What every part of a job's specification is made of: a strict, immutable model, and the simplest kinds of field."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel


def check_text(value: str) -> str:
    """`value`, if it is text that can be stored and given to a program. Raises ValueError."""
    if "\0" in value:
        raise ValueError("must not contain a NUL character")
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise ValueError("must not contain half of a surrogate pair, which UTF-8 cannot encode")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return value


Text = Annotated[str, StringConstraints(strict=True), AfterValidator(check_text)]
Number = BeforeValidator(_number)
WholeNumber = Annotated[int, Number]


class Specification(BaseModel):
    """The base of every part of a job's specification: immutable, and strict about keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)
