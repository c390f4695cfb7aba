"""The farm's logins at private registries: from a file in the form of docker's own config.json.

They are kept nowhere: the file is read at each pull, so that a changed password holds from then on. No message of an
error has anything that stands in the file but the name of a registry.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jobrunner.domain.images import DOCKER_HUB
from jobrunner.domain.redaction import REDACTED
from jobrunner.errors import ImagePullFailed, SettingsError

AuthConfig = Mapping[str, str]  # what the Engine takes as X-Registry-Auth; {} for none
SETTING = "registry_credentials_file"
OTHERS_MAY = 0o077
HUB_HOSTS = ("index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")  # names of Docker Hub in such files


class RegistryCredentials:
    """Finds the login for a registry. Safe to share between threads."""

    def __init__(self, path: Path | None) -> None:
        """Raises SettingsError where the file cannot be used."""
        self._path = path
        if path is not None:
            _read(path)

    def of(self, registry: str) -> AuthConfig:
        """The login for the host of a registry. Raises ImagePullFailed where the file has become unusable."""
        if self._path is None:
            return {}
        try:
            return _read(self._path).get(_host(registry), {})
        except SettingsError as error:
            raise ImagePullFailed(f"the node's logins at registries cannot be used: {error}") from None


def without_secrets(text: str, credentials: AuthConfig) -> str:
    """What a registry says, without the login that it was told: it may repeat what it was sent."""
    user, password = credentials.get("username", ""), credentials.get("password", "")
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    for secret in filter(None, (password and encoded, password, credentials.get("identitytoken"))):
        text = text.replace(secret, REDACTED)
    return text


def _read(path: Path) -> dict[str, AuthConfig]:
    try:
        others_may = path.stat().st_mode & OTHERS_MAY
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{SETTING}: {path} cannot be read: {error.strerror}") from None
    except ValueError:  # without its text, which shows what it found
        raise SettingsError(f"{SETTING}: {path} is not JSON") from None
    if others_may:
        raise SettingsError(f"{SETTING}: others than its owner may read {path}: chmod 600 {path}")
    entries = document.get("auths") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise SettingsError(f"{SETTING}: {path} has no object `auths`, as docker's own config.json has")
    return {_host(address): _login(address, entry) for address, entry in entries.items()}


def _host(address: str) -> str:
    """The one name of a registry: `docker login` writes https://index.docker.io/v1/ for Docker Hub."""
    host = urlsplit(address if "://" in address else f"//{address}").netloc.lower()
    return DOCKER_HUB if host in HUB_HOSTS else host


def _login(address: str, entry: Any) -> AuthConfig:
    fields = entry if isinstance(entry, dict) else {}
    if isinstance(token := fields.get("identitytoken"), str) and token:
        return {"identitytoken": token, "serveraddress": address}
    user, password = fields.get("username"), fields.get("password")
    if isinstance(encoded := fields.get("auth"), str) and encoded:
        user, password = _decoded(address, encoded)
    if not isinstance(user, str) or not isinstance(password, str) or not user:
        raise SettingsError(
            f"{SETTING}: the entry {address!r} has no login in it (docker's helper programs are not run)"
        )
    return {"username": user, "password": password, "serveraddress": address}


def _decoded(address: str, encoded: str) -> tuple[str, str]:
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        colon = ""
    if not colon:
        raise SettingsError(f"{SETTING}: `auth` of the entry {address!r} is not the base64 of user:password") from None
    return user, password.rstrip("\0")
