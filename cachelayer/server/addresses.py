"""Where Redis is: one server, a group watched by Sentinels, or a Cluster, as one URL says it.

==========================================================  =====================================================
``redis://[user:password@]host:port/db``                    one server; ``rediss://`` with TLS, ``unix://`` a socket
``redis+sentinel://[user:password@]host:port,…/service/db`` the Sentinels' addresses and the name they know it by
``redis+cluster://[user:password@]host:port,…``             some nodes of the Cluster, which tell of the others
==========================================================  =====================================================

``rediss+sentinel://`` and ``rediss+cluster://`` speak TLS. This module opens no connection and needs no settings, so
that settings can use it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl, unquote

from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

_SINGLE = ("redis://", "rediss://", "unix://")
_PORTS = {"sentinel": 26379, "cluster": 6379}
_FORM = re.compile(
    r"^(?P<scheme>rediss?)\+(?P<kind>sentinel|cluster)://(?:(?P<credentials>[^@/?#]*)@)?"
    r"(?P<hosts>[^@/?#]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?$"
)
_HOST = re.compile(r"^(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?$")
_TLS_OPTIONS = frozenset({"ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"})
_TLS_CHECKS = ("required", "optional", "none")
_SENTINEL_OPTIONS = frozenset({"sentinel_username", "sentinel_password"})


class RedisUrlError(ValueError):
    """An address of Redis cannot be used; the message says why and repeats nothing that may be secret."""


class Kind(Enum):
    """How Redis is run."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class RedisServers:
    """What an address says.

    Attributes:
        url: the address as it was given.
        addresses: hosts and ports of Sentinels or of Cluster nodes; empty for one server, where the URL says it all.
        service: the name that Sentinels know the group by.
        tls: whether connections are encrypted.
        tls_options: further options of redis-py for them, such as ``ssl_ca_certs``.
    """

    kind: Kind
    url: str
    addresses: tuple[tuple[str, int], ...] = ()
    service: str = ""
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    tls: bool = False
    tls_options: tuple[tuple[str, Any], ...] = ()

    def security(self) -> dict[str, Any]:
        """Return the arguments of a redis-py connection that concern TLS."""
        return {"ssl": True, **dict(self.tls_options)} if self.tls else {}


def parse_redis_url(url: str) -> RedisServers:
    """Read an address; raise :class:`RedisUrlError` where it has none of the forms."""
    if url.startswith(_SINGLE):
        return _single(url)
    match = _FORM.match(url)
    if match is None:
        raise RedisUrlError("expected redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// with hosts")
    kind = Kind(match["kind"])
    options = dict(parse_qsl(match["query"] or "", keep_blank_values=True))
    tls = match["scheme"] == "rediss"
    username, password = _credentials(match["credentials"])
    service, database = _path(kind, match["path"] or "")
    sentinel = {name: options.pop(name) for name in _SENTINEL_OPTIONS & options.keys() if kind is Kind.SENTINEL}
    return RedisServers(
        kind=kind,
        url=url,
        addresses=tuple(_address(text, _PORTS[kind.value]) for text in match["hosts"].split(",")),
        service=service,
        database=database,
        username=username,
        password=password,
        sentinel_username=sentinel.get("sentinel_username") or None,
        sentinel_password=sentinel.get("sentinel_password") or None,
        tls=tls,
        tls_options=_tls_options(options, tls=tls),
    )


def _single(url: str) -> RedisServers:
    try:
        arguments = ConnectionPool.from_url(url).connection_kwargs
    except (ValueError, TypeError):
        raise RedisUrlError("it cannot be read: expected such as redis://user:password@host:6379/0") from None
    return RedisServers(Kind.SINGLE, url, database=int(arguments.get("db") or 0), tls=url.startswith("rediss"))


def _credentials(text: str | None) -> tuple[str | None, str | None]:
    username, _, password = (text or "").partition(":")
    return unquote(username) or None, unquote(password) or None


def _address(text: str, default_port: int) -> tuple[str, int]:
    match = _HOST.match(text.strip())
    port = int(match["port"] or default_port) if match else 0
    if match is None or not 0 < port < 65536:
        raise RedisUrlError("expected hosts such as first:26379,second:26379 behind ://")
    return match["host"].strip("[]"), port


def _path(kind: Kind, path: str) -> tuple[str, int]:
    parts = [unquote(part) for part in path.strip("/").split("/") if part]
    if kind is Kind.CLUSTER:
        if parts not in ([], ["0"]):
            raise RedisUrlError("a Cluster has database 0 alone: leave the path away")
        return "", 0
    if not parts:
        raise RedisUrlError("Sentinels must be told the service: redis+sentinel://host:26379/SERVICE/0")
    database = parts[1] if len(parts) > 1 else "0"
    if len(parts) > 2 or not (database.isascii() and database.isdigit()):
        raise RedisUrlError("expected /SERVICE/DATABASE behind the Sentinels, such as /mymaster/0")
    return parts[0], int(database)


def _tls_options(options: dict[str, str], *, tls: bool) -> tuple[tuple[str, Any], ...]:
    read: dict[str, Any] = {}
    for name, value in options.items():
        if name in _TLS_OPTIONS or (name == "ssl_cert_reqs" and value in _TLS_CHECKS):
            read[name] = value
        elif name == "ssl_check_hostname" and value in {"true", "false"}:
            read[name] = value == "true"
        else:
            raise RedisUrlError(f"the option {name!r} is not known here, or its value is not")
    if read and not tls:
        raise RedisUrlError("options of TLS need a scheme that begins with rediss")
    return tuple(sorted(read.items()))


def once_more() -> Retry:
    """Return redis-py's rule for failures: one immediate second attempt.

    That heals a pooled connection which a restarted server has closed. A timeout is not tried again, so that a hung
    server costs one.
    """
    return Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))


def cache_settings(url: str, *, timeout_seconds: float, key_prefix: str, version: int = 1) -> dict[str, Any]:
    """Return an entry of Django's ``CACHES`` for Redis at ``url``.

    Args:
        url: one of the forms above.
        timeout_seconds: longest wait to connect, and for one reply.
        key_prefix: what all keys begin with.
        version: version of what is stored; another one sees none of the values of this one.

    Raises:
        RedisUrlError: the address has none of the forms.
    """
    servers = parse_redis_url(url)
    options: dict[str, Any] = {
        "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
        "IGNORE_EXCEPTIONS": True,
        "SOCKET_CONNECT_TIMEOUT": timeout_seconds,
        "SOCKET_TIMEOUT": timeout_seconds,
    }
    location: str | list[str] = url
    match servers.kind:
        case Kind.SINGLE:
            options["CONNECTION_POOL_KWARGS"] = {"retry": once_more()}
        case Kind.SENTINEL:
            options["CONNECTION_FACTORY"] = "cachelayer.server.connections.SentinelFactory"
            location = [url]  # A list, because django-redis takes a comma in a text for the next address.
        case Kind.CLUSTER:
            options["CONNECTION_FACTORY"] = "cachelayer.server.connections.ClusterFactory"
            options["CLIENT_CLASS"] = "cachelayer.server.connections.ClusterCacheClient"
            location = [url]
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": location,
        "KEY_PREFIX": key_prefix,
        "VERSION": version,
        "OPTIONS": options,
    }
