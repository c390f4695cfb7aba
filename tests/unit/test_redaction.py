"""What is shown of URLs, headers and variables."""

from __future__ import annotations

import pytest

from jobrunner.domain.api_keys import new_token
from jobrunner.domain.redaction import redact, redact_headers, redact_url

NAMES = ("token", "key")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/hook", "https://example.org/hook"),
        ("https://ada:secret@example.org:8443/hook", "https://***@example.org:8443/hook"),
        ("https://example.org/?a=1&apiKey=secret&b=x%20y", "https://example.org/?a=1&apiKey=***&b=x%20y"),
        ("https://example.org/?a=1&b=2", "https://example.org/?a=1&b=2"),
        ("https://example.org/#secret", "https://example.org/"),
        ("https://a@b:secret@example.org/", "https://***@example.org/"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert redact_url(url, NAMES) == shown


def test_a_header_that_carries_credentials_is_hidden_whatever_the_farm_lists() -> None:
    headers = {"Authorization": "Basic x", "Proxy-authorization": "x", "Cookie": "a=b", "X-Mine": "y", "X-Api-Key": "z"}
    assert redact_headers(headers, NAMES) == {
        "Authorization": "***",
        "Proxy-authorization": "***",
        "Cookie": "***",
        "X-Mine": "y",
        "X-Api-Key": "***",
    }


def test_names_are_compared_in_any_case() -> None:
    assert redact({"MY_TOKEN": "x", "other": "y"}, ("Token",)) == {"MY_TOKEN": "***", "other": "y"}


def test_an_api_key_is_hidden_whatever_it_is_called() -> None:
    key = str(new_token())
    assert redact({"FOO": f"--with={key}", "BAR": "jr_x"}, ()) == {"FOO": "***", "BAR": "jr_x"}


def test_the_headers_that_carry_api_keys_are_hidden_whatever_the_farm_says() -> None:
    assert redact_headers({"Api-Key": "a", "Authorization": "b", "X-A": "c"}, ()) == {
        "Api-Key": "***",
        "Authorization": "***",
        "X-A": "c",
    }
