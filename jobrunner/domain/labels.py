"""Labels: short names with values that callers give to jobs, and choose jobs and executions by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from jobrunner.domain.specification import Text

MOST_LABELS = 32
LONGEST_VALUE = 255
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_./-]{0,61}[A-Za-z0-9])?")


def check_label_name(value: str) -> str:
    """`value`, if it can name a label. Raises ValueError."""
    if not _NAME.fullmatch(value):
        raise ValueError(
            "the name of a label must have 1 to 63 letters, digits, '_', '-', '.' or '/', "
            "and start and end with a letter or digit"
        )
    return value


Labels = Annotated[
    dict[
        Annotated[str, AfterValidator(check_label_name)], Annotated[Text, StringConstraints(max_length=LONGEST_VALUE)]
    ],
    Field(max_length=MOST_LABELS),
]


def label_terms(labels: Mapping[str, str]) -> list[str]:
    """What labels are found by: `name=value`, and `name` alone. (No name holds a '='.)"""
    return [term for name, value in labels.items() for term in (name, f"{name}={value}")]


def check_label_term(term: str) -> str:
    """`term`, if some label could be found by it: `name`, or `name=value`. Raises ValueError."""
    check_label_name(term.partition("=")[0])
    return term
