"""Routes of API keys."""

from __future__ import annotations

from flask import Response, current_app, jsonify, request

from jobrunner.api.context import GATEKEEPER, current_farm
from jobrunner.api.native import translate_keys
from jobrunner.api.native.documents.keys import AFTER_KEY, CreatedKey, KeyItem, KeyList
from jobrunner.api.native.job_spec import parse_as
from jobrunner.api.native.routing import route
from jobrunner.api.native.translate import Document
from jobrunner.api.native.urls import urls_for_request
from jobrunner.api.openapi.operation import answers
from jobrunner.api.request_body import body
from jobrunner.domain.key_wish import KeyWish
from jobrunner.engine import keys
from jobrunner.engine.keys import Gatekeeper


@route("POST", "/api-keys")
@answers(CreatedKey, status=201, body=KeyWish)
def create_api_key() -> tuple[Response, int]:
    """Make a key. Its secret is in this answer, and nowhere else."""
    farm = current_farm()
    key, token = keys.create_key(farm, parse_as(KeyWish, body()))
    _gatekeeper().forget()
    answer = jsonify(translate_keys.created_key(key, token, farm.clock.now()))
    answer.headers["Cache-Control"] = "no-store"
    return answer, 201


@route("GET", "/api-keys")
@answers(KeyList, query=(AFTER_KEY,))
def list_api_keys() -> Document:
    """All keys, also those that have ended; ?after=<key id> for more."""
    farm = current_farm()
    found, has_next = keys.list_keys(farm, request.args.get("after"))
    list_url = f"{urls_for_request(farm.settings).base}/api-keys"
    return translate_keys.key_list(found, has_next, farm.clock.now(), list_url)


@route("GET", "/api-keys/<key_id>")
@answers(KeyItem)
def show_api_key(key_id: str) -> Document:
    """One key."""
    farm = current_farm()
    return translate_keys.key_document(keys.key(farm, key_id), farm.clock.now())


@route("DELETE", "/api-keys/<key_id>")
@answers(KeyItem)
def revoke_api_key(key_id: str) -> Document:
    """Revoke a key for good."""
    return _revoke(key_id)


@route("POST", "/api-keys/<key_id>/revoke")
@answers(KeyItem)
def revoke_api_key_by_post(key_id: str) -> Document:
    """The same, for clients that know no DELETE."""
    return _revoke(key_id)


def _revoke(key_id: str) -> Document:
    farm = current_farm()
    key = keys.revoke_key(farm, key_id)
    _gatekeeper().forget()
    return translate_keys.key_document(key, farm.clock.now())


def _gatekeeper() -> Gatekeeper:
    gatekeeper: Gatekeeper = current_app.extensions[GATEKEEPER]
    return gatekeeper
