"""From which address a request came: what proxies say is believed where the farm trusts them, and nowhere else."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from jobrunner.api.caller import find_caller

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
PROXY = "10.0.0.1"


@pytest.mark.parametrize(
    ("peer", "real_ip", "forwarded_for", "caller"),
    [
        ("192.0.2.1", None, None, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "198.51.100.8", "192.0.2.1"),
        (PROXY, None, None, PROXY),
        (PROXY, "198.51.100.7", None, "198.51.100.7"),
        (PROXY, "198.51.100.7", "198.51.100.8", "198.51.100.7"),
        (PROXY, "no address", "198.51.100.8", "198.51.100.8"),
        (PROXY, None, "198.51.100.8", "198.51.100.8"),
        (PROXY, None, " 198.51.100.8 , 10.0.0.2 ", "198.51.100.8"),
        (PROXY, None, "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        (PROXY, None, "203.0.113.9, 198.51.100.8", "198.51.100.8"),
        (PROXY, None, "198.51.100.8, no address, 10.0.0.2", "10.0.0.2"),
        (PROXY, "", "", PROXY),
        ("fd00::1", None, "2001:db8::5", "2001:db8::5"),
        ("::ffff:10.0.0.1", None, "::ffff:198.51.100.8", "198.51.100.8"),
    ],
)
def test_a_caller_is_who_speaks_or_whom_a_trusted_proxy_names(
    peer: str, real_ip: str | None, forwarded_for: str | None, caller: str
) -> None:
    assert str(find_caller(peer, real_ip, forwarded_for, TRUSTED)) == caller


def test_without_trusted_proxies_no_header_counts() -> None:
    assert str(find_caller(PROXY, "198.51.100.7", "198.51.100.8", ())) == PROXY


def test_a_unix_socket_has_no_caller_to_name() -> None:
    assert find_caller("", "198.51.100.7", None, TRUSTED) is None
