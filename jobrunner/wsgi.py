"""The REST API as a WSGI application."""

from __future__ import annotations

from flask import Flask

from jobrunner.api.app import create_app
from jobrunner.engine.farm import Farm


def make_app(farm: Farm) -> Flask:
    """All that the farm serves by HTTP."""
    return create_app(farm)
