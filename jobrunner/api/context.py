"""The farm that a request is about."""

from __future__ import annotations

from dataclasses import replace

from flask import current_app, g

from jobrunner.domain.api_keys import Caller
from jobrunner.engine.farm import Farm

FARM = "jobrunner.farm"
GATEKEEPER = "jobrunner.gatekeeper"
AUDIT_TRAIL = "jobrunner.audit_trail"


def current_farm() -> Farm:
    """The farm of the application that handles this request, as its caller sees it."""
    farm: Farm = g.get("farm") or current_app.extensions[FARM]
    return farm


def act_for(caller: Caller) -> None:
    """From here on this request is handled on behalf of this caller."""
    g.farm = replace(current_farm(), caller=caller)
