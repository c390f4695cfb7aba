"""From where a request comes: the address of the connection, or what trusted proxies say about it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from flask import request

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


def caller_address(trusted_proxies: Iterable[Network]) -> str:
    """The address of the caller of this request; empty where it has none (a unix socket, a test)."""
    return address_of(request.remote_addr or "", request.headers.get("X-Forwarded-For", ""), tuple(trusted_proxies))


def address_of(peer: str, forwarded_for: str, trusted: tuple[Network, ...]) -> str:
    """The first address, going back from `peer` over what each proxy has added, that is no trusted proxy.

    Whatever stands before that was written by somebody whom we do not trust.
    """
    address = peer
    for before in reversed([part.strip() for part in forwarded_for.split(",") if part.strip()]):
        if not _is_within(address, trusted) or _parse(before) is None:
            break
        address = before
    return address


def _is_within(text: str, networks: tuple[Network, ...]) -> bool:
    address = _parse(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address is not None and any(address in network for network in networks)


def _parse(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
