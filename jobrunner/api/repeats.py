"""The header Idempotency-Key: a view that is `repeatable` does what a key asks for once, and answers it the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, g, make_response, request

from jobrunner.api.context import current_farm
from jobrunner.api.openapi.operation import HeaderParameter
from jobrunner.api.request_body import body
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.repeats import KeptAnswer, KeyedRequest, digest
from jobrunner.engine import repeat
from jobrunner.engine.farm import Farm
from jobrunner.errors import Fault, InvalidRequest, RequestError

REPLAYED = "Idempotency-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")

IDEMPOTENCY_KEY = HeaderParameter(
    repeat.FIELD,
    "A name of the caller's for this request: sent again with the same body, it is answered the same, and done once.",
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
)


def repeatable(view: Callable[..., Any]) -> Callable[..., Any]:
    """Have a view do a request with a key once, whoever sends it how often; without a key, each time."""

    @wraps(view)
    def once(**path: str) -> Any:
        key = request.headers.get(repeat.FIELD)
        if key is None:
            return view(**path)
        farm = current_farm()
        keyed, is_first = repeat.begin(farm, _request_id(key), body())
        if keyed.answer is not None:
            return _again(keyed.answer)
        g.request_token = keyed.token
        return _answer(farm, keyed, is_first, lambda: view(**path))

    return once


def request_token() -> str | None:
    """What the ids of all that this request makes follow from; None where it has no key."""
    token: str | None = g.get("request_token")
    return token


def fresh_token() -> str:
    """The same, and a new one where the request has no key."""
    return request_token() or new_id()


def _request_id(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise InvalidRequest(Fault(repeat.FIELD, "must have 1 to 255 characters of ASCII that can be seen"))
    return digest(current_farm().caller.key_id or "", request.method, request.path.rstrip("/"), key)


def _answer(farm: Farm, keyed: KeyedRequest, is_first: bool, view: Callable[[], Any]) -> Response:
    try:
        answer = make_response(view())
    except Exception as error:
        # One that goes on with an earlier one does not know what that has changed.
        repeat.give_up(farm, keyed, changed_nothing=is_first and isinstance(error, RequestError))
        raise
    repeat.keep_answer(farm, keyed, KeptAnswer(answer.status_code, answer.content_type, answer.get_data()))
    return answer


def _again(kept: KeptAnswer) -> Response:
    return Response(kept.body, kept.status, {REPLAYED: "true"}, content_type=kept.content_type)
