"""The last net under the logs: no key and no credential of HTTP is written, whoever logs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from jobrunner.domain.api_keys import new_token
from jobrunner.telemetry.redaction import redact_text

TOKEN = new_token()

PROGRAM = """
import logging, sys
import structlog
from jobrunner.settings import Settings
from jobrunner.telemetry.logs import configure_logs
configure_logs(Settings(log_format={log_format!r}))
key = {key!r}
log = structlog.get_logger("test")
log.warning("said", given=key, headers={{"Authorization": "Bearer " + key, "inner": [key]}})
logging.getLogger("some.library").warning("Authorization: Basic %s", "dXNlcjpodW50ZXIyaHVudGVyMg==")
try:
    raise RuntimeError("of " + key)
except RuntimeError:
    log.exception("failed")
    logging.getLogger("some.library").exception("failed with %s", key)
"""


@pytest.mark.parametrize(
    "text",
    [
        f"key {TOKEN}",
        f"Authorization: Bearer {TOKEN}",
        "authorization: Bearer abc",
        "{'Authorization': 'Basic dXNlcjpwYXNzd29yZA=='}",
        "('api-key', 'hunter2')",
        "api-key: hunter2",
        "sent Basic dXNlcjpwYXNzd29yZA== to it",
        "Cookie: session=hunter2",
    ],
)
def test_what_looks_like_a_credential_is_hidden(text: str) -> None:
    shown = redact_text(text)
    assert "***" in shown
    for secret in (TOKEN.secret, "dXNlcjpwYXNzd29yZA", "hunter2", "abc"):
        assert secret not in shown


@pytest.mark.parametrize("text", ["a basic example", "bearer of news", "the key 072a789fdcaa is revoked", "apikey 1"])
def test_what_is_no_credential_is_left(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_line_that_a_process_logs_holds_a_key(log_format: str) -> None:
    program = PROGRAM.format(log_format=log_format, key=str(TOKEN))
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert ended.stderr.count("***") >= 5
    assert TOKEN.secret not in ended.stderr
    assert "dXNlcjpodW50" not in ended.stderr
