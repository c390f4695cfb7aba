"""Signatures, against the example that Standard Webhooks publishes."""

from __future__ import annotations

from datetime import UTC, datetime

from jobrunner.notifiers.signature import sign, signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_example_is_signed_as_published() -> None:
    assert sign(ID, TIMESTAMP, BODY, SECRET) == SIGNATURE


def test_the_headers_hold_what_was_signed() -> None:
    sent_at = datetime.fromtimestamp(int(TIMESTAMP) + 0.9, UTC)
    assert signed_headers(ID, sent_at, BODY, SECRET) == {
        "webhook-id": ID,
        "webhook-timestamp": TIMESTAMP,
        "webhook-signature": sign(ID, TIMESTAMP, BODY, SECRET),
    }


def test_without_a_secret_there_is_no_signature() -> None:
    assert "webhook-signature" not in signed_headers(ID, datetime.now(UTC), BODY, None)


def test_another_body_id_time_or_secret_has_another_signature() -> None:
    signatures = {
        sign(ID, TIMESTAMP, BODY, SECRET),
        sign(ID, TIMESTAMP, BODY + b" ", SECRET),
        sign(ID, "1614265331", BODY, SECRET),
        sign(ID + "x", TIMESTAMP, BODY, SECRET),
        sign(ID, TIMESTAMP, BODY, "plain text"),
    }
    assert len(signatures) == 5
