"""Which addresses webhooks may go to."""

from __future__ import annotations

import pytest

from jobrunner.notifiers.addresses import AddressPolicy
from jobrunner.settings import Settings

PUBLIC = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"]
PRIVATE = ["10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12:3456::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"]
LOOPBACK = ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1"]
NEVER = [
    "169.254.169.254",
    "169.254.1.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fe80::1",
    "fe80::1%eth0",
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "224.0.0.1",
    "ff02::1",
    "240.0.0.1",
    "255.255.255.255",
    "::127.0.0.1",
]


def refusal(address: str, **settings: object) -> str:
    return AddressPolicy(Settings(**settings)).refusal(address)


@pytest.mark.parametrize("address", [*PUBLIC, *PRIVATE])
def test_public_and_private_networks_are_called_unless_the_farm_says_otherwise(address: str) -> None:
    assert refusal(address) == ""


@pytest.mark.parametrize("address", [*LOOPBACK, *NEVER])
def test_this_machine_and_what_belongs_to_the_cloud_are_not_called(address: str) -> None:
    assert "does not call" in refusal(address)


@pytest.mark.parametrize("address", LOOPBACK)
def test_a_farm_can_allow_this_machine(address: str) -> None:
    assert refusal(address, webhook_allow_loopback=True) == ""
    assert refusal(address, webhook_allow_loopback=True, webhook_forbid_private=True) == ""


@pytest.mark.parametrize("address", NEVER)
def test_allowing_this_machine_allows_nothing_else(address: str) -> None:
    assert refusal(address, webhook_allow_loopback=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_farm_can_forbid_private_networks(address: str) -> None:
    assert "private" in refusal(address, webhook_forbid_private=True)


@pytest.mark.parametrize("address", PUBLIC)
def test_forbidding_private_networks_leaves_the_others(address: str) -> None:
    assert refusal(address, webhook_forbid_private=True) == ""


def test_a_listed_network_is_called_whatever_else_is_said() -> None:
    settings = {"webhook_allowed_networks": "169.254.10.0/24, 10.0.0.0/8", "webhook_forbid_private": True}
    assert refusal("169.254.10.5", **settings) == ""
    assert refusal("10.1.2.3", **settings) == ""
    assert refusal("169.254.169.254", **settings)
    assert refusal("192.168.0.1", **settings)
