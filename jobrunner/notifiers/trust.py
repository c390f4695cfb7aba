"""TLS towards receivers and mail servers: certificates are verified, always."""

from __future__ import annotations

import ssl
from pathlib import Path

from jobrunner.errors import SettingsError


def tls_context(setting: str, authority: Path | None) -> ssl.SSLContext:
    """Trust what the system trusts, and this authority. Raises SettingsError, naming the setting it came from."""
    context = ssl.create_default_context()
    if authority is not None:
        try:
            context.load_verify_locations(authority)
        except OSError as error:  # ssl.SSLError is one
            raise SettingsError(f"{setting}: {authority} cannot be used ({type(error).__name__})") from None
    return context
