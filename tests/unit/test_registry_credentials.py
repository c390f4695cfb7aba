"""Logins at registries: found by the host of an image, from a file that nobody else may read, and never shown."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from jobrunner.domain.images import parse_image
from jobrunner.errors import ImagePullFailed, SettingsError
from jobrunner.executors.docker.executor import DockerExecutor
from jobrunner.executors.docker.registry_credentials import RegistryCredentials, without_secrets
from jobrunner.settings import Settings

SECRET = "hunter2:with-colon"
ENCODED = base64.b64encode(f"farm:{SECRET}".encode()).decode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registries.json"


def written(path: Path, document: Any, mode: int = 0o600) -> Path:
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    path.chmod(mode)
    return path


def login(path: Path, image: str) -> dict[str, str]:
    return dict(RegistryCredentials(path).of(parse_image(image).registry))


@pytest.mark.parametrize(
    ("address", "image"),
    [
        ("registry.example:5000", "registry.example:5000/team/tool:1"),
        ("registry.example:5000", f"registry.example:5000/team/tool:1@sha256:{'a' * 64}"),
        ("https://registry.example/v2/", "registry.example/tool"),
        ("Registry.Example", "registry.example/tool"),
        ("localhost", "localhost/tool"),
        ("https://index.docker.io/v1/", "ubuntu:24.04"),
        ("https://index.docker.io/v1/", "team/tool"),
        ("docker.io", "docker.io/team/tool"),
        ("docker.io", "index.docker.io/team/tool"),
        ("docker.io", "123/tool"),
    ],
)
def test_a_login_is_found_by_the_host_of_the_image(path: Path, address: str, image: str) -> None:
    written(path, {"auths": {address: {"auth": ENCODED}, "other.example": {"username": "x", "password": "y"}}})
    assert login(path, image) == {"username": "farm", "password": SECRET, "serveraddress": address}


@pytest.mark.parametrize("image", ["registry.example/tool", "registry.example:5001/tool", "tool", "evil.example/r.e/t"])
def test_no_other_registry_is_given_it(path: Path, image: str) -> None:
    written(path, {"auths": {"registry.example:5000": {"auth": ENCODED}}})
    assert login(path, image) == {}


def test_a_name_and_a_password_in_clear_and_a_token_are_taken_too(path: Path) -> None:
    entries = {"a.example": {"username": "farm", "password": SECRET}, "b.example": {"identitytoken": SECRET}}
    written(path, {"auths": entries, "HttpHeaders": {}})
    assert login(path, "a.example/x") == {"username": "farm", "password": SECRET, "serveraddress": "a.example"}
    assert login(path, "b.example/x") == {"identitytoken": SECRET, "serveraddress": "b.example"}


def test_without_a_file_there_are_no_logins_not_even_those_of_docker_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    written(tmp_path / "config.json", {"auths": {"registry.example": {"auth": ENCODED}}})
    assert RegistryCredentials(None).of("registry.example") == {}


def test_a_changed_password_holds_from_then_on(path: Path) -> None:
    credentials = RegistryCredentials(written(path, {"auths": {"a.example": {"username": "u", "password": "old"}}}))
    written(path, {"auths": {"a.example": {"username": "u", "password": "new"}}})
    assert credentials.of("a.example")["password"] == "new"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (f"{{{SECRET}", "is not JSON"),
        ([], "has no object `auths`"),
        ({"auths": []}, "has no object `auths`"),
        ({"credsStore": "pass"}, "has no object `auths`"),
        ({"auths": {"a.example": {}}, "credsStore": "pass"}, "'a.example' has no login in it"),
        ({"auths": {"a.example": SECRET}}, "'a.example' has no login in it"),
        ({"auths": {"a.example": {"username": "", "password": SECRET}}}, "'a.example' has no login in it"),
        ({"auths": {"a.example": {"auth": "%%%"}}}, "`auth` of the entry 'a.example' is not the base64"),
        (
            {"auths": {"a.example": {"auth": base64.b64encode(b"hunter2").decode()}}},
            "is not the base64 of user:password",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_told_when_the_worker_starts_without_what_is_in_it(
    path: Path, document: Any, reason: str
) -> None:
    written(path, document)
    with pytest.raises(SettingsError) as told:
        DockerExecutor(Settings(docker_host="unix:///nowhere", registry_credentials_file=path), "farm")
    assert "registry_credentials_file" in str(told.value) and reason in str(told.value)
    assert "hunter2" not in f"{told.value!r} {told.value.__cause__!r}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_may_read_is_refused(path: Path, mode: int) -> None:
    written(path, {"auths": {}}, mode)
    with pytest.raises(SettingsError, match="others than its owner may read"):
        RegistryCredentials(path)


def test_a_file_that_is_not_there_is_told(path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        RegistryCredentials(path)


def test_a_file_that_becomes_unusable_fails_the_pull_and_not_the_worker(path: Path) -> None:
    credentials = RegistryCredentials(written(path, {"auths": {}}))
    path.unlink()
    with pytest.raises(ImagePullFailed, match="logins at registries cannot be used"):
        credentials.of("a.example")


def test_nothing_that_holds_them_shows_them(path: Path) -> None:
    written(path, {"auths": {"a.example": {"auth": ENCODED}}})
    settings = Settings(docker_host="unix:///nowhere", registry_credentials_file=path)
    executor = DockerExecutor(settings, "farm")
    shown = f"{executor!r} {vars(executor)!r} {settings!r} {RegistryCredentials(path)!r}"
    assert "hunter2" not in shown and ENCODED not in shown


@pytest.mark.parametrize("secret", [SECRET, ENCODED])
def test_a_registry_that_repeats_the_login_is_not_repeated(secret: str) -> None:
    credentials = {"username": "farm", "password": SECRET, "serveraddress": "registry.example"}
    assert without_secrets(f"unauthorized: {secret}, farm", credentials) == "unauthorized: ***, farm"
    assert without_secrets("no token: identity", {"identitytoken": "identity"}) == "no token: ***"
    assert without_secrets("not found", {}) == "not found"
