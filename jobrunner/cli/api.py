"""`jobrunner api`: the REST API, served by gunicorn: one process, many threads."""

from __future__ import annotations

import signal
from typing import Any

import click
from flask import Flask
from gunicorn.app.base import BaseApplication

from jobrunner.api.app import close_app
from jobrunner.api.auth import may_be_open
from jobrunner.cli.service import wire, with_settings
from jobrunner.errors import SettingsError
from jobrunner.patience import ended_by_signals, once_answered
from jobrunner.settings import Settings
from jobrunner.wiring import Wiring
from jobrunner.wsgi import make_app

GRACEFUL_SECONDS = 3
IDLE_CONNECTION_SECONDS = 15
CLOSE_SECONDS = 1.5


@click.command()
@click.option("--host", help="The address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port to listen on.")
@with_settings
def api(settings: Settings, host: str | None, port: int | None) -> None:
    """Run the REST API."""
    given = {name: value for name, value in (("api_host", host), ("api_port", port)) if value is not None}
    settings = settings.model_copy(update=given)
    with ended_by_signals():
        check_farm(settings)
    Server(settings).run()


def check_farm(settings: Settings) -> None:
    """Return once the services answer. Until then nobody is listened to: who asks is refused, and need not wait.

    Raises SettingsError where they cannot be used, or where the API would be open to other machines, and nobody has
    said that it may be. With an API key it is not open. (Should the keys vanish from the database later, then all
    requests are refused.)
    """
    wiring = wire(settings)
    try:
        if not may_be_open(settings) and not once_answered(wiring.farm.store.api_keys.any):
            raise SettingsError(
                f"api_host: {settings.api_host!r} can be reached from other machines, and the farm has no API key. "
                "Make one first (`jobrunner keys create --name admin --role admin --in-database`), listen on "
                "127.0.0.1, or set api_allow_unauthenticated = true if the network is yours alone."
            )
    finally:
        wiring.close()  # gunicorn forks later: no connection is left open


def wire_for_api(settings: Settings) -> Wiring:
    """A process whose callers wait: a service that does not answer soon is one that does not answer."""
    patience_seconds = settings.api_service_timeout_seconds
    redis_seconds = min(settings.redis_timeout_seconds, patience_seconds)
    return wire(settings.model_copy(update={"redis_timeout_seconds": redis_seconds}), patience_seconds)


class Server(BaseApplication):
    """gunicorn, set up from our settings. The app is made in gunicorn's worker process: a client of MongoDB
    must not cross a fork.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._app: Flask | None = None
        self.read_seconds = settings.api_read_seconds  # for gunicorn_worker.py
        super().__init__()

    def load_config(self) -> None:
        """What gunicorn asks for."""
        settings = self._settings
        host = f"[{settings.api_host}]" if ":" in settings.api_host else settings.api_host
        options: dict[str, Any] = {
            "bind": f"{host}:{settings.api_port}",
            "worker_class": "jobrunner.api.gunicorn_worker.ApiWorker",
            "logger_class": "jobrunner.api.gunicorn_log.GunicornLog",
            "limit_request_line": 8190,
            "workers": 1,
            "threads": settings.api_threads,
            "worker_connections": 2 * settings.api_threads,
            "keepalive": IDLE_CONNECTION_SECONDS,
            "graceful_timeout": GRACEFUL_SECONDS,
            "proc_name": "jobrunner-api",
            "loglevel": settings.log_level.value,
            "control_socket_disable": True,
            "worker_exit": self._close_app,
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        """The app, in the worker process. When that is told to end, those who follow an output are let go."""
        with ended_by_signals():
            farm = wire_for_api(self._settings).farm
        end = signal.getsignal(signal.SIGTERM)

        def let_go_and_end(signum: int, frame: Any) -> None:
            farm.stopping.set()
            if callable(end):
                end(signum, frame)

        signal.signal(signal.SIGTERM, let_go_and_end)
        self._app = make_app(farm)
        return self._app

    def _close_app(self, _arbiter: Any, _worker: Any) -> None:
        """In the worker process, at its end."""
        if self._app is not None:
            close_app(self._app, CLOSE_SECONDS)
