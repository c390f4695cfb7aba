"""Fetching an image, while somebody may lose patience."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from docker import APIClient
from docker.errors import APIError

from jobrunner.domain.images import ImageReference
from jobrunner.executors.docker.client import EngineClient
from jobrunner.executors.docker.errors import engine_words, is_engine_trouble, pull_error

CHECKPOINT_SECONDS = 0.5


def pull(client: EngineClient, image: ImageReference, checkpoint: Callable[[], None]) -> None:
    """Pull `image`; call `checkpoint` at every sign of progress, and every CHECKPOINT_SECONDS without one.

    Raises what `checkpoint` raises (the pull is then broken off), ImageNotFound, ImagePullFailed, EngineUnavailable.
    """
    news = threading.Event()
    with client.line() as line, ThreadPoolExecutor(1, "pull") as thread:
        pulling = thread.submit(_follow, line.api, image, news)
        pulling.add_done_callback(lambda _: news.set())
        try:
            while not pulling.done():
                news.wait(CHECKPOINT_SECONDS)
                news.clear()
                checkpoint()
        except BaseException:
            line.hang_up()  # the thread ends at once (Engine 20.10 itself goes on for as long as its registry lets it)
            raise
        with client.guard():
            failure = pulling.result()
    if failure:
        raise pull_error(failure, str(image))


def _follow(api: APIClient, image: ImageReference, news: threading.Event) -> str:
    """Read the progress to its end; returns what the Engine says went wrong, or nothing."""
    failure = ""
    try:
        for step in api.pull(image.name, tag=image.tag_or_digest, stream=True, decode=True):
            failure = step.get("error") or failure
            news.set()
    except APIError as error:
        if is_engine_trouble(error):
            raise
        failure = engine_words(error)
    return failure
