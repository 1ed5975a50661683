"""Who is asking: the address of the client, looked up behind trusted proxies only."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_MAX_HOPS = 20
_LONGEST_REMEMBERED = 200
_ROBOT = re.compile(
    r"(?<!cu)bot\b|crawler|spider|slurp|facebookexternalhit|feedfetcher|lighthouse|pagespeed", re.IGNORECASE
)


@lru_cache(maxsize=8)
def _networks(values: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(value, strict=False) for value in values)


def client_address(request: HttpRequest) -> str:
    """Return the address that limits and counts apply to.

    ``X-Forwarded-For`` is read from the right: each trusted proxy vouches for the hop before it, and the first hop
    that is not a trusted proxy is the client. Everything further left was sent by that client and is ignored.
    IPv6 clients count by their /64, which is what one subscriber is given.
    """
    proxies = tuple(settings.TRUSTED_PROXIES)
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "") if proxies else ""
    hops = tuple(forwarded.split(",")[-_MAX_HOPS:])
    peer = request.META.get("REMOTE_ADDR", "")
    # Clients come back, and parsing an address takes a tenth of the time of a hot answer.
    find = _client if len(forwarded) <= _LONGEST_REMEMBERED else _client.__wrapped__
    return find(peer, hops, proxies)


def counted_client(request: HttpRequest, *, client: str = "") -> str:
    """Return the address that what shoppers do is counted for; empty where it is not to be counted.

    Only those who look after the shop are signed in, and only they have a session. Robots say what they are, and a
    browser says so when it fetches a page that nobody has asked for yet.

    Args:
        client: the address, where it is known already.
    """
    meta = request.META
    is_signed_in = "HTTP_COOKIE" in meta and settings.SESSION_COOKIE_NAME in request.COOKIES
    is_early = "prefetch" in meta.get("HTTP_SEC_PURPOSE", meta.get("HTTP_PURPOSE", ""))
    if is_signed_in or is_early or _is_robot(meta.get("HTTP_USER_AGENT", "")[:_LONGEST_REMEMBERED]):
        return ""
    return client or client_address(request)


@lru_cache(maxsize=1024)
def _is_robot(user_agent: str) -> bool:
    return _ROBOT.search(user_agent) is not None


@lru_cache(maxsize=4096)
def _client(peer: str, forwarded: tuple[str, ...], proxies: tuple[str, ...]) -> str:
    trusted = _networks(proxies)
    address = _parse(peer)
    if address is None:
        return "unknown"
    hops = list(forwarded)
    while hops and _is_trusted(address, trusted):
        hop = _parse(hops.pop())
        if hop is None:
            break
        address = hop
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _parse(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_trusted(address: Address, trusted: tuple[Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in trusted)
