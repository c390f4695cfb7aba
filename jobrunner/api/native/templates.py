"""Routes of templates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jobrunner.api.caller import caller_address
from jobrunner.api.context import current_farm
from jobrunner.api.native import query, translate
from jobrunner.api.native.documents.jobs import Accepted
from jobrunner.api.native.documents.templates import DeletedTemplate, TemplateDetails, TemplatePage
from jobrunner.api.native.job_spec import parse_as, specify
from jobrunner.api.native.parameters import PAGE
from jobrunner.api.native.routing import route
from jobrunner.api.native.times import iso
from jobrunner.api.native.translate import Document
from jobrunner.api.native.urls import Urls, urls_for_request
from jobrunner.api.openapi.operation import answers
from jobrunner.api.repeats import IDEMPOTENCY_KEY, repeatable, request_token
from jobrunner.api.request_body import body
from jobrunner.domain.executions import TemplateUse
from jobrunner.domain.redaction import redact_json
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.templates import Template, TemplateDefinition, TemplateStart, fill
from jobrunner.engine import template as engine
from jobrunner.engine.submit import submit
from jobrunner.errors import Fault, InvalidRequest

TEMPLATE = "/templates/<name>"


@route("GET", "/templates")
@answers(TemplatePage, query=(PAGE,))
def list_templates() -> Document:
    """A page of all templates, by name."""
    farm, page = current_farm(), query.page()
    found, has_next = engine.templates(farm, page)
    urls = urls_for_request(farm.settings)
    return {
        "items": [_details(one, farm.settings.redacted_names, urls) for one in found],
        "page": page,
        "perPage": farm.settings.page_size,
        **translate.neighbours(urls.templates, page, has_next),
    }


@route("PUT", TEMPLATE)
@answers(TemplateDetails, body=TemplateDefinition)
def put_template(name: str) -> Document:
    """Make a template, or replace it."""
    farm = current_farm()
    stored = engine.put_template(farm, name, parse_as(TemplateDefinition, body()))
    return _details(stored, farm.settings.redacted_names, urls_for_request(farm.settings))


@route("GET", TEMPLATE)
@answers(TemplateDetails)
def show_template(name: str) -> Document:
    """A template; secrets in it are hidden."""
    farm = current_farm()
    return _details(engine.template(farm, name), farm.settings.redacted_names, urls_for_request(farm.settings))


@route("DELETE", TEMPLATE)
@answers(DeletedTemplate)
def delete_template(name: str) -> Document:
    """Delete a template; jobs that were started from it stay."""
    engine.delete_template(current_farm(), name)
    return {"deleted": name}


@route("POST", f"{TEMPLATE}/start")
@answers(Accepted, body=TemplateStart, headers=(IDEMPOTENCY_KEY,))
@repeatable
def start_template(name: str) -> Document:
    """Make a job of a task from a template with these values, and start it or schedule it."""
    farm = current_farm()
    start, found = parse_as(TemplateStart, body()), engine.template(farm, name)
    taken = submit(
        farm,
        start.task,
        _spec(found, start),
        caller_address=caller_address(),
        token=request_token(),
        template=TemplateUse(found.name, found.revision),
    )
    return translate.accepted(taken, urls_for_request(farm.settings))


def _spec(template: Template, start: TemplateStart) -> JobSpec:
    """What comes out with these values; its faults are named as those of the template's job."""
    try:
        return specify(JobSpec, fill(template.definition, start.values))
    except InvalidRequest as error:
        named = [fault.field.startswith("values.") for fault in error.faults]
        faults = zip(error.faults, named, strict=True)
        renamed = (one if is_value else Fault(f"job.{one.field}", one.reason) for one, is_value in faults)
        raise InvalidRequest(*renamed) from None


def _details(template: Template, redacted_names: Iterable[str], urls: Urls) -> dict[str, Any]:
    shown = template.definition.model_dump(mode="json", by_alias=True, exclude_unset=True)
    names = tuple(redacted_names)
    return {
        "name": template.name,
        "revision": template.revision,
        "createdAt": iso(template.created_at),
        "lastModifiedAt": iso(template.modified_at),
        "description": template.definition.description,
        "parameters": {name: _parameter(name, one, names) for name, one in shown.get("parameters", {}).items()},
        "job": redact_json(shown["job"], names),
        "url": f"{urls.templates}/{template.name}",
    }


def _parameter(name: str, shown: dict[str, Any], redacted_names: Iterable[str]) -> dict[str, Any]:
    if "default" not in shown:
        return shown
    return {**shown, "default": redact_json({name: shown["default"]}, redacted_names)[name]}
