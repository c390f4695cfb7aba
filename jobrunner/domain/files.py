"""Files in and out of containers: what a job says of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool

from jobrunner.domain.specification import Specification, Text, check_text

MOST_INPUTS = 100
MOST_OUTPUTS = 100
LONGEST_PATH = 1024
LONGEST_NAME = 255
RESULT_FOLDER = "/jobrunner"
RESULT_PATH = f"{RESULT_FOLDER}/result.json"
RESULT_VARIABLE = "JOBRUNNER_RESULT_PATH"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MODE = re.compile(r"0?[0-7]{3}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _container_path(value: str) -> str:
    parts = value.split("/")
    if not value.startswith("/"):
        raise ValueError("must be an absolute path in the container, such as /in/data.csv")
    if "." in parts or ".." in parts or _CONTROL.search(value):
        raise ValueError("must not have '.', '..' or control characters in it")
    path = "/" + "/".join(filter(None, parts))
    if path == "/" or len(path.encode()) > LONGEST_PATH:
        raise ValueError(f"must name something below /, in at most {LONGEST_PATH} bytes")
    return path


def _file_id(value: str) -> str:
    if not _UUID.fullmatch(value.lower()):
        raise ValueError("must be the id of an uploaded file")
    return value.lower()


def _mode(value: str) -> str:
    if not _MODE.fullmatch(value):
        raise ValueError("must be three octal digits such as '0644'")
    return value


def _output_name(value: str) -> str:
    if not value or "/" in value or value in (".", "..") or _CONTROL.search(value) or len(value) > LONGEST_NAME:
        raise ValueError(
            f"must have 1 to {LONGEST_NAME} characters, no '/' or control character, and not be '.' or '..'"
        )
    return value


def _from_path(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


def _result_path(value: Any) -> Any:
    if not isinstance(value, bool | str | None):
        raise ValueError("must be true, or an absolute path in the container")
    return (RESULT_PATH if value else None) if not isinstance(value, str) else check_text(value)


ContainerPath = Annotated[Text, AfterValidator(_container_path)]


class Input(Specification):
    """An uploaded file that is placed in the container before it starts; `mode` in octal."""

    file: Annotated[Text, AfterValidator(_file_id)]
    path: ContainerPath
    mode: Annotated[Text, AfterValidator(_mode)] = "0644"


class Output(Specification):
    """A file or a directory that is kept after the container has ended; `name`: under which (that of the path)."""

    path: ContainerPath
    name: Annotated[Text, AfterValidator(_output_name)] | None = None
    required: StrictBool = False

    @property
    def shown_name(self) -> str:
        """The name under which it is kept; what is in a directory follows after a slash."""
        return self.name or self.path.rpartition("/")[2]


def _apart(inputs: tuple[Input, ...]) -> tuple[Input, ...]:
    """No input where another one is, or below it."""
    paths = {one.path for one in inputs}
    below = next((path for path in paths for above in _parents(path) if above in paths), None)
    if len(paths) < len(inputs) or below is not None:
        raise ValueError("must have a path each, and none below another")
    return inputs


def _parents(path: str) -> Iterable[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _named_apart(outputs: tuple[Output, ...]) -> tuple[Output, ...]:
    names = [output.shown_name for output in outputs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"would keep two things as {twice!r}: give one of them another `name`")
    return outputs


Inputs = Annotated[tuple[Input, ...], Field(max_length=MOST_INPUTS), AfterValidator(_apart)]
Outputs = Annotated[
    tuple[Annotated[Output, BeforeValidator(_from_path, json_schema_input_type=Output | str)], ...],
    Field(max_length=MOST_OUTPUTS),
    AfterValidator(_named_apart),
]
ResultPath = Annotated[ContainerPath | None, BeforeValidator(_result_path, json_schema_input_type=bool | str | None)]
