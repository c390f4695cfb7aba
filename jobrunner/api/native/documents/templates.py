"""Templates of jobs."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from jobrunner.api.openapi.forms import closed


@closed
class TemplateReference(TypedDict):
    """From which template a job was started, and of which revision that was."""

    name: str
    revision: int


@closed
class TemplateDetails(TypedDict):
    """A template; secrets in it are hidden."""

    name: str
    revision: int
    createdAt: str
    lastModifiedAt: str
    description: str
    parameters: dict[str, dict[str, Any]]
    job: dict[str, Any]
    url: str


@closed
class TemplatePage(TypedDict):
    """A page of templates, by name."""

    items: list[TemplateDetails]
    page: int
    perPage: int
    hasNext: bool
    hasPrev: bool
    nextUrl: str | None
    prevUrl: str | None


@closed
class DeletedTemplate(TypedDict):
    """The name of a template that is no more."""

    deleted: str
