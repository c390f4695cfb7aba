"""From which address a request came: also through proxies, where the farm trusts them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from flask import g, request

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def caller_address() -> str | None:
    """The IP address of who sent this request, as it was found before its route; None for a unix socket."""
    return g.address or None


def address_of_request(trusted: Sequence[Network]) -> str:
    """The IP address of who sent this request; empty where it came through a unix socket."""
    caller = find_caller(
        request.remote_addr or "", request.headers.get("X-Real-IP"), request.headers.get("X-Forwarded-For"), trusted
    )
    return "" if caller is None else str(caller)


def find_caller(
    peer: str, real_ip: str | None, forwarded_for: str | None, trusted: Sequence[Network]
) -> Address | None:
    """Who speaks through `peer`: itself, or, where it is a trusted proxy, whom it names.

    X-Real-IP goes first, as in fastlane. X-Forwarded-For is read from its end, which the nearest proxy wrote: the first
    address there that is no trusted proxy is the caller. What stands before that, anybody may have made up.
    """
    caller = _address(peer)
    if caller is None or not _is_in(caller, trusted):
        return caller
    named = _address(real_ip or "")
    if named is not None:
        return named
    for hop in reversed((forwarded_for or "").split(",")):
        address = _address(hop)
        if address is None:
            break
        caller = address
        if not _is_in(address, trusted):
            break
    return caller


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    # A socket of IPv6 shows callers by IPv4 as ::ffff:192.0.2.1.
    return (address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None) or address


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
