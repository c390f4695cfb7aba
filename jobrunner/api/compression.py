"""Answers in gzip, for who takes it: not those that are streamed, whose pieces are to arrive as they come."""

from __future__ import annotations

from flask import Flask
from flask_compress import Compress

SMALLEST_BYTES = 1024
LEVEL = 5


def register(app: Flask) -> None:
    """Compress the answers of the application."""
    app.config.update(
        COMPRESS_ALGORITHM=["gzip"],
        COMPRESS_STREAMS=False,
        COMPRESS_LEVEL=LEVEL,
        COMPRESS_MIN_SIZE=SMALLEST_BYTES,
        COMPRESS_EVALUATE_CONDITIONAL_REQUEST=False,
    )
    Compress(app)
