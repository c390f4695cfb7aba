"""The small image that tests run: JOBRUNNER_TEST_IMAGE, else one that is made of the busybox of this machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from jobrunner.executors.docker.client import EngineClient
from jobrunner.settings import Settings
from scripts.lib.engine import build_image, has_image

LOCAL_IMAGE = "jobrunner/busybox:local"


def ensure_test_image(docker_host: str) -> str:
    """The tag of an image that the Engine has, with a shell and the usual small commands.

    Raises EngineUnavailable, or RuntimeError where the image cannot be made.
    """
    if named := os.environ.get("JOBRUNNER_TEST_IMAGE"):
        return named
    client = EngineClient(Settings(docker_host=docker_host))
    if not has_image(client, LOCAL_IMAGE) and not build_image(client, LOCAL_IMAGE, _busybox()):
        raise RuntimeError(f"The Engine did not make the image {LOCAL_IMAGE}.")
    return LOCAL_IMAGE


def _busybox() -> Path:
    path = shutil.which("busybox")
    if path is None:
        raise RuntimeError("There is no busybox to make the test image of: install the package busybox-static.")
    return Path(path)
