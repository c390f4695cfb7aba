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
from jobrunner.executors.docker.registry_credentials import AuthConfig, without_secrets

CHECKPOINT_SECONDS = 0.5


def pull(client: EngineClient, image: ImageReference, credentials: AuthConfig, checkpoint: Callable[[], None]) -> None:
    """Pull `image` with these credentials ({}: none).

    `checkpoint` is called at every sign of progress, and every CHECKPOINT_SECONDS without one. Raises what it raises
    (the pull is then broken off), ImageNotFound, ImageRefused, ImagePullFailed, EngineUnavailable.
    """
    news = threading.Event()
    with client.line() as line, ThreadPoolExecutor(1, "pull") as thread:
        pulling = thread.submit(_follow, line.api, image, credentials, news)
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
        raise pull_error(without_secrets(failure, credentials), image, with_credentials=bool(credentials))


def _follow(api: APIClient, image: ImageReference, credentials: AuthConfig, news: threading.Event) -> str:
    """Read the progress to its end; returns what the Engine says went wrong, or nothing."""
    failure = ""
    try:
        # Given also where there are none: else the SDK takes those of whoever the worker runs as.
        steps = api.pull(image.name, image.tag_or_digest, stream=True, decode=True, auth_config=dict(credentials))
        for step in steps:
            failure = step.get("error") or failure
            news.set()
    except APIError as error:
        if is_engine_trouble(error):
            raise
        failure = engine_words(error)
    return failure
