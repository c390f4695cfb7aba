"""A real registry (Debian's docker-registry) that asks for a password, and the file of logins for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import requests

from jobrunner.domain.images import parse_image
from tests.support.farm import END_SECONDS, free_port, wait_until

USER, PASSWORD = "farm", "a-test-password"  # the registry takes passwords as bcrypt only
HTPASSWD = "farm:$2y$05$TAUbj1.ch9WSEU4IHEVWL.eqSe7aLsU0BP9oqopBMy3fqoSc5s74.\n"
PROGRAM = os.environ.get("JOBRUNNER_TEST_REGISTRY") or shutil.which("docker-registry")
START_SECONDS = 20


@dataclass(frozen=True)
class PrivateRegistry:
    """A registry that serves. `log`: a line for each request."""

    host: str
    log: Path
    engine: docker.APIClient

    def image(self, name: str, tag: str = "1") -> str:
        """The reference of an image here."""
        return f"{self.host}/{name}:{tag}"

    def push(self, source: str, image: str) -> str:
        """Put an image of the Engine here under a reference, and remove it from the Engine; its digest."""
        reference = parse_image(image)
        self.engine.tag(source, reference.name, reference.tag)
        login = {"username": USER, "password": PASSWORD}
        steps = list(self.engine.push(reference.name, reference.tag, auth_config=login, stream=True, decode=True))
        assert not [step for step in steps if "error" in step], steps
        self.forget(image)
        return str(next(step["aux"]["Digest"] for step in steps if "aux" in step))

    def forget(self, image: str) -> None:
        """Have the Engine not know a reference any more."""
        try:
            self.engine.remove_image(image, force=True)
        except docker.errors.ImageNotFound:
            pass  # what was wanted

    def forget_all(self) -> None:
        """Have the Engine not know any image from here any more, by tag or by digest."""
        for image in self.engine.images():
            references = [*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())]
            for reference in references:
                if reference.startswith(f"{self.host}/") and "<none>" not in reference:
                    self.forget(reference)

    def was_asked(self) -> int:
        """How many requests for manifests there have been."""
        return self.log.read_text(encoding="utf-8").count("/manifests/")


@contextmanager
def private_registry(folder: Path, engine: docker.APIClient) -> Iterator[PrivateRegistry]:
    """A registry on the loopback, where Engines speak HTTP, with one user. It ends with the block."""
    assert PROGRAM is not None
    host = f"127.0.0.1:{free_port()}"
    (folder / "htpasswd").write_text(HTPASSWD)
    (folder / "config.json").write_text(json.dumps(_configuration(folder, host)))  # JSON is YAML
    log = folder / "registry.log"
    with log.open("wb") as output:
        process = subprocess.Popen([PROGRAM, "serve", str(folder / "config.json")], stdout=output, stderr=output)
    try:
        wait_until(lambda: _answers(host), START_SECONDS, "the registry answers")
        registry = PrivateRegistry(host, log, engine)
        yield registry
        registry.forget_all()
    finally:
        process.terminate()
        process.wait(END_SECONDS)


def _configuration(folder: Path, host: str) -> dict[str, object]:
    return {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
        "auth": {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}},
        "http": {"addr": host},
    }


def _answers(host: str) -> bool:
    try:
        return requests.get(f"http://{host}/v2/", timeout=5).status_code == requests.codes.unauthorized
    except requests.ConnectionError:
        return False


def logins(path: Path, host: str, password: str = PASSWORD) -> Path:
    """A file of logins as the setting registry_credentials_file takes it."""
    path.write_text(json.dumps({"auths": {host: {"username": USER, "password": password}}}))
    path.chmod(0o600)
    return path
