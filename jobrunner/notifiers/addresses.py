"""Which addresses a webhook may be sent to. A job's owner must not reach, through us, what only we can reach."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from jobrunner.settings import Settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",  # AWS, Google, Azure, OpenStack and others
            "fd00:ec2::254",  # AWS
            "fd20:ce::254",  # Google
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure's host agent
            "192.0.0.192",  # Oracle
        ),
    )
)
THIS_NETWORK = IPv4Network("0.0.0.0/8")  # Linux takes 0.0.0.0 for itself
NAT64 = IPv6Network("64:ff9b::/96")


class AddressPolicy:
    """The farm's rules."""

    def __init__(self, settings: Settings) -> None:
        self._allow_loopback = settings.webhook_allow_loopback
        self._forbid_private = settings.webhook_forbid_private
        self._allowed: Iterable[Network] = settings.webhook_allowed_networks or ()

    def refusal(self, text: str) -> str:
        """Why this address may not be called; empty where it may."""
        address = _embedded(ipaddress.ip_address(text.partition("%")[0]))
        if any(address in network for network in self._allowed):
            return ""
        kind = _never_allowed(address)
        if not kind and address.is_loopback and not self._allow_loopback:
            kind = "a loopback address"
        if not kind and self._forbid_private and not address.is_global and not address.is_loopback:
            kind = "an address of a private network"
        return f"{address} is {kind}, which this farm does not call" if kind else ""


def _never_allowed(address: Address) -> str:
    if address in METADATA:
        return "the address of a cloud metadata service"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if address.is_unspecified or address in THIS_NETWORK:
        return "an unspecified address"
    if address.is_reserved and not address.is_loopback:  # ::1 lies in a block that is reserved as a whole
        return "a reserved address"
    return ""


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for (mapped, 6to4, NAT64), else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
