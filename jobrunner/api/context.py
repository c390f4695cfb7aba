"""The farm that a request is about."""

from __future__ import annotations

from flask import current_app

from jobrunner.engine.farm import Farm

FARM = "jobrunner.farm"


def current_farm() -> Farm:
    """The farm of the application that handles this request."""
    farm: Farm = current_app.extensions[FARM]
    return farm
