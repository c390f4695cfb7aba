"""From an application's routes to its OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import Flask
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from werkzeug.routing import Rule
from werkzeug.routing.converters import AnyConverter

from jobrunner import __version__
from jobrunner.api.openapi.faults import ErrorDocument
from jobrunner.api.openapi.operation import NO_BODY, MediaType, Operation, operation_of
from jobrunner.api.openapi.security import SECURITY_SCHEMES, refusals_of_guard, security_of
from jobrunner.domain.identifiers import TASK_ID_LENGTH

UUID_SCHEMA = {"type": "string", "format": "uuid"}
# What check_task_id asks for, as far as a pattern can say it.
TASK_ID_SCHEMA = {
    "type": "string",
    "maxLength": TASK_ID_LENGTH,
    "pattern": r"^(?!\.{1,2}$)[^\s/\\-]([^/\\]*[^\s/\\])?$",
}
KEY_ID_SCHEMA = {"type": "string", "pattern": "^[0-9a-f]{12}$"}
REFERENCE = "#/components/schemas/{model}"
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_PARAMETER = re.compile(r"<(?:[^:<>]+:)?([a-z_]+)>")


def openapi_document(app: Flask, server_url: str) -> dict[str, Any]:
    """The document of all routes that say what they answer (`answers`); aliases of a path are left out."""
    operations = list(_operations(app))
    schemas = _Schemas([operation for _, _, operation in operations])
    paths: dict[str, dict[str, Any]] = {}
    for rule, method, operation in operations:
        view = app.view_functions[rule.endpoint]
        paths.setdefault(_path(rule), {})[method.lower()] = {
            "operationId": f"{rule.endpoint.rpartition('.')[2]}",
            **_words(view),
            "security": security_of(rule.endpoint),
            "parameters": [*_path_parameters(rule), *_query_parameters(operation), *_headers(operation)],
            **_body(operation, schemas),
            "responses": _responses(method, rule, operation, schemas),
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "jobrunner", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": server_url}],
        "paths": paths,
        "components": {"schemas": schemas.definitions, "securitySchemes": SECURITY_SCHEMES},
    }


_DESCRIPTION = (
    "Runs containers on your own machines. Every path also answers without the slash at its end, and with `/job/` in "
    "the place of `/jobs/`. Times are ISO 8601 in UTC without a zone, but for those of tasks, which are UNIX seconds. "
    "An operation asks for an API key of the role that its `security` names (`admin` includes `submit`, and that "
    "`read`), in one of three ways; a farm that has no key yet asks for none."
)


def _operations(app: Flask) -> Iterator[tuple[Rule, str, Operation]]:
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        operation = operation_of(app.view_functions[rule.endpoint])
        if operation is not None and not _is_alias(rule):
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield rule, method, operation


def _is_alias(rule: Rule) -> bool:
    return "/job/" in rule.rule


def _path(rule: Rule) -> str:
    path = _PARAMETER.sub(r"{\1}", rule.rule)
    return path if path.endswith("/") or "." in path else path + "/"


def _words(view: Any) -> dict[str, str]:
    summary, _, description = inspect.cleandoc(view.__doc__ or "").partition("\n")
    return {"summary": summary} | ({"description": description.strip()} if description.strip() else {})


class _Schemas:
    """The JSON schemas of all bodies and answers, those of their parts by name."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        answered = [
            shape
            for operation in operations
            for shape in (operation.answer, operation.or_json, *operation.also.values())
        ]
        wanted: list[tuple[Any, Any]] = [(ErrorDocument, "serialization")]
        documents = [shape for shape in answered if shape is not NO_BODY and not isinstance(shape, MediaType)]
        wanted += [(shape, "serialization") for shape in documents]
        bodies = [operation.body for operation in operations if operation.body is not None]
        wanted += [(body, "validation") for body in bodies if not isinstance(body, MediaType)]
        adapters = [(shape, mode, TypeAdapter(shape)) for shape, mode in dict.fromkeys(wanted)]
        self._schemas, rest = TypeAdapter.json_schemas(adapters, by_alias=True, ref_template=REFERENCE)
        self.definitions: dict[str, Any] = rest.get("$defs", {})

    def of(self, shape: Any, mode: str = "serialization") -> JsonSchemaValue:
        """The schema of a body or an answer."""
        return self._schemas[(shape, mode)]  # type: ignore[index]


def _path_parameters(rule: Rule) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": _path_schema(name, rule)}
        for name in _PARAMETER.findall(rule.rule)
    ]


def _path_schema(name: str, rule: Rule) -> Mapping[str, Any]:
    converter = rule._converters.get(name)
    if isinstance(converter, AnyConverter):
        return {"type": "string", "enum": sorted(converter.items)}
    if name == "task_id":
        return TASK_ID_SCHEMA
    if name == "key_id":
        return KEY_ID_SCHEMA
    return UUID_SCHEMA if name.endswith("_id") else {"type": "string"}


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": parameter.name,
            "in": "query",
            "description": parameter.description,
            "required": parameter.is_required,
            "schema": dict(parameter.schema),
        }
        for parameter in operation.query
    ]


def _headers(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": header.name, "in": "header", "description": header.description, "schema": dict(header.schema)}
        for header in operation.headers
    ]


def _body(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    if operation.body is None:
        return {}
    if isinstance(operation.body, MediaType):
        return {"requestBody": {"required": True, "content": {operation.body.name: {"schema": {"type": "string"}}}}}
    schema = schemas.of(operation.body, "validation")
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _responses(method: str, rule: Rule, operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    shapes = {operation.status: operation.answer, **operation.also}
    given = {str(status): _response(status, shape, schemas) for status, shape in shapes.items()}
    if operation.or_json is not None:
        given[str(operation.status)]["content"] |= _response(operation.status, operation.or_json, schemas)["content"]
    refusals = {400, 405, 503, *refusals_of_guard(rule.endpoint), *operation.refuses}
    if "<" in rule.rule or any(parameter.name == "page" for parameter in operation.query):
        refusals.add(404)
    if method in _WRITES:
        refusals |= {409, 413, 415}
    refused = {str(status): _response(status, ErrorDocument, schemas) for status in sorted(refusals)}
    return given | {status: response for status, response in refused.items() if status not in given}


def _response(status: int, shape: Any, schemas: _Schemas) -> dict[str, Any]:
    phrase = HTTPStatus(status).phrase
    if shape is NO_BODY:
        return {"description": phrase}
    if isinstance(shape, MediaType):
        return {"description": phrase, "content": {shape.name: {"schema": {"type": "string"}}}}
    return {"description": phrase, "content": {"application/json": {"schema": schemas.of(shape)}}}
