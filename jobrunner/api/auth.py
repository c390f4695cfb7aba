"""Who calls, and whether they may: the checks that stand before every route.

A key comes by HTTP Basic (as the password, or as the user name), as a Bearer token, or in the header api-key. As long
as the farm has no key, everybody may do everything, where `may_be_open` says that only this machine can call, or
somebody has allowed it. From the first key on, every route but the healthcheck asks for one.
"""

from __future__ import annotations

import ipaddress
from typing import NoReturn

import structlog
from flask import Flask, current_app, g, request

from jobrunner.api.caller import address_of_request
from jobrunner.api.context import act_for, current_farm
from jobrunner.api.cross_site import check_cross_site
from jobrunner.api.metrics.process import PROCESS_METRICS
from jobrunner.api.rights import Right, right_of
from jobrunner.domain.api_keys import ANYBODY, TOKEN, Caller
from jobrunner.engine.admission import check_task
from jobrunner.engine.keys import Gatekeeper
from jobrunner.errors import Forbidden, StoreUnavailable, TooManyRequests, Unauthenticated
from jobrunner.settings import Settings

OUTAGE_SECONDS = 0.5  # what is to be answered during an outage of MongoDB waits so long for it

log = structlog.get_logger(__name__)


class Guard:
    """The checks before the routes of one application."""

    def __init__(self, app: Flask, gatekeeper: Gatekeeper, settings: Settings) -> None:
        self.gatekeeper, self._settings = gatekeeper, settings
        app.before_request(self.check)

    def check(self) -> None:
        """Let the request pass, or raise why not. Raises RequestError, StoreUnavailable."""
        g.address = address_of_request(self._settings.api_trusted_proxies or ())
        right = right_of(request.endpoint or "")
        if right.role is None or self._is_preflight():
            return
        self._count("address", self._settings.api_rate_per_address, g.address)
        if right.in_outages:
            self._check_caller_in_outages(right)
        else:
            self._check_caller(right)

    def _check_caller_in_outages(self, right: Right) -> None:
        """The same where the answer is to come soon, also if MongoDB is away: then what it has said last will do."""
        try:
            with current_farm().store.health.within(OUTAGE_SECONDS):
                self._check_caller(right)
        except StoreUnavailable:
            g.store_is_away = True
            self._check_caller(right, from_memory=True)

    def _check_caller(self, right: Right, *, from_memory: bool = False) -> None:
        asks_for_keys = self.gatekeeper.asks_for_keys(from_memory=from_memory)
        is_open = not asks_for_keys and may_be_open(self._settings)
        check_cross_site(self._settings, is_open=is_open)
        if is_open:
            g.caller = ANYBODY
        else:
            self._let_in(right, from_memory=from_memory)

    def _let_in(self, right: Right, *, from_memory: bool) -> None:
        g.caller = caller = self._authenticate(from_memory=from_memory)
        act_for(caller)
        structlog.contextvars.bind_contextvars(api_key_id=caller.key_id)
        self._count("key", self._settings.api_rate_per_key, caller.key_id or "")
        if request.url_rule is not None and request.method != "OPTIONS":  # else the answer is 404, or 405
            _authorize(caller, right)

    def _authenticate(self, *, from_memory: bool) -> Caller:
        presented = presented_key()
        if presented is None:
            raise Unauthenticated("is required: as HTTP Basic, as Bearer token, or in the header api-key")
        try:
            return self.gatekeeper.caller(presented, from_memory=from_memory)
        except Unauthenticated as error:
            log.warning("key_refused", address=g.address, path=request.path, reason=error.fault.reason)
            raise

    def _count(self, field: str, rate: str | None, who: str) -> None:
        limiter = current_farm().rate_limiter
        if rate is None or limiter is None or not who:
            return
        wait_seconds = limiter.wait_seconds(rate, f"{field}:{who}")
        if wait_seconds > 0:
            current_app.extensions[PROCESS_METRICS].count_limited(field)
            raise TooManyRequests(field, f"has sent more than {rate}: wait", wait_seconds)

    def _is_preflight(self) -> bool:
        """A browser's question whether a page of an allowed origin may ask; it brings no key."""
        asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        return asks and request.headers.get("Origin") in (self._settings.api_cors_origins or ())


def may_be_open(settings: Settings) -> bool:
    """Whether a farm without keys asks nobody for one: only this machine can call, or somebody has allowed it."""
    return settings.api_allow_unauthenticated or is_loopback(settings.api_host)


def is_loopback(host: str) -> bool:
    """Whether only this machine can call what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def presented_key() -> str | None:
    """The key that this request brings, whatever it is worth; None where it brings none."""
    given = request.authorization
    if given is not None and given.type == "bearer":
        return given.token or ""
    if given is not None and given.type == "basic":
        # The password, unless the user name alone is a key, as with `curl -u jr_...:`.
        name, password = given.username or "", given.password or ""
        return name if TOKEN.fullmatch(name) else password
    if given is not None:
        _refuse_scheme()
    return request.headers.get("api-key")


def _refuse_scheme() -> NoReturn:
    raise Unauthenticated("must come as HTTP Basic, as Bearer token, or in the header api-key")


def _authorize(caller: Caller, right: Right) -> None:
    assert right.role is not None
    if not caller.role.includes(right.role):
        raise Forbidden("role", f"must be {right.role} for this, and that of this API key is {caller.role}")
    task_id = (request.view_args or {}).get("task_id")
    if task_id is not None:
        check_task(current_farm(), task_id)
