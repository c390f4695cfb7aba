"""What gunicorn itself logs takes the way of all our logs: their form, their ids of requests, their redaction."""

from __future__ import annotations

from gunicorn.config import Config
from gunicorn.glogging import Logger


class GunicornLog(Logger):
    """gunicorn's logger, without handlers of its own."""

    def setup(self, cfg: Config) -> None:
        """Hand everything on to the root logger."""
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True
