"""Typed readers of environment variables.

A wrong value raises :class:`EnvError`, whose message is one line that names the variable, the value and
what would have been right. ``manage.py`` and the WSGI entry point print that line instead of a traceback.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from cachelayer.server.addresses import RedisUrlError, parse_redis_url

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})
_HOST = re.compile(r"^(\*|\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9a-fA-F:]+\])(?P<port>:\d+)?$")
_CURRENCY = re.compile(r"^[A-Z]{3}$")
_DATABASE = re.compile(r"^[A-Za-z0-9_-]{1,63}$")
_RATE = re.compile(r"^(?P<amount>\d+)\s*/\s*(?P<unit>second|minute|hour|day)$")


class EnvError(ImproperlyConfigured):
    """An environment variable holds a value that cannot be used."""

    def __init__(self, name: str, value: str, expected: str) -> None:
        shown = value if len(value) <= 80 else value[:77] + "..."
        super().__init__(f"{name}={shown!r} is not usable: expected {expected}.")
        self.name = name


class Env:
    """Reads typed values from a mapping of strings, by default the process environment."""

    def __init__(self, source: Mapping[str, str] | None = None) -> None:
        self._source = os.environ if source is None else source

    def is_set(self, name: str) -> bool:
        """Tell whether ``name`` holds anything but white space."""
        return bool(self._source.get(name, "").strip())

    def text(self, name: str, default: str = "") -> str:
        """Return the stripped text of ``name``; an empty value counts as unset."""
        return self._source.get(name, "").strip() or default

    def boolean(self, name: str, default: bool) -> bool:
        """Return a flag; accepts 1/0, true/false, yes/no, on/off in any case."""
        raw = self._source.get(name)
        if raw is None or not raw.strip():
            return default
        value = raw.strip().lower()
        if value in _TRUE:
            return True
        if value in _FALSE:
            return False
        raise EnvError(name, raw, "true or false")

    def integer(self, name: str, default: int, *, minimum: int, maximum: int) -> int:
        """Return a whole number between ``minimum`` and ``maximum``, both inclusive."""
        raw = self.text(name)
        if not raw:
            return default
        try:
            value = int(raw)
        except ValueError:
            raise EnvError(name, raw, f"a whole number from {minimum} to {maximum}") from None
        if not minimum <= value <= maximum:
            raise EnvError(name, raw, f"a whole number from {minimum} to {maximum}")
        return value

    def words(self, name: str, default: str = "") -> list[str]:
        """Return the parts of a list separated by commas or white space."""
        return [part for part in re.split(r"[\s,]+", self.text(name, default)) if part]

    def hosts(self, name: str, default: str = "", *, ports: bool = False) -> list[str]:
        """Return host names, with a port where ``ports`` allows one; a leading dot stands for all subdomains."""
        values = self.words(name, default)
        for value in values:
            match = _HOST.match(value)
            if not match or (match["port"] and not ports):
                without = "scheme or path" if ports else "scheme, port or path"
                raise EnvError(name, value, f"host names separated by commas, without {without}")
        return values

    def origins(self, name: str) -> list[str]:
        """Return origins such as ``https://shop.example``."""
        values = self.words(name)
        for value in values:
            scheme, separator, rest = value.partition("://")
            if scheme not in {"http", "https"} or not separator or not _HOST.match(rest.removeprefix("*.")):
                raise EnvError(name, value, "origins such as https://shop.example, separated by commas")
        return values

    def networks(self, name: str) -> list[str]:
        """Return networks in CIDR notation; a single address becomes a network of one, host bits are dropped."""
        networks = []
        for value in self.words(name):
            try:
                networks.append(str(ipaddress.ip_network(value, strict=False)))
            except ValueError:
                raise EnvError(name, value, "IP addresses or networks such as 10.0.0.0/8") from None
        return networks

    def url(self, name: str, schemes: tuple[str, ...], default: str = "") -> str:
        """Return a URL whose scheme is one of ``schemes``. The value is never echoed: it may hold a password."""
        raw = self.text(name, default)
        if raw and not raw.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            expected = "a URL that starts with " + " or ".join(f"{scheme}://" for scheme in schemes)
            raise EnvError(name, "***", expected)
        return raw

    def redis(self, name: str, default: str = "") -> str:
        """Return an address of Redis as :mod:`cachelayer.server.addresses` describes it; the value is never echoed."""
        raw = self.text(name, default)
        if raw:
            try:
                parse_redis_url(raw)
            except RedisUrlError as error:
                raise EnvError(name, "***", f"an address of Redis, but {error}") from None
        return raw

    def choice(self, name: str, default: str, choices: Collection[str]) -> str:
        """Return one of ``choices``, written as there; the case of the value does not matter."""
        value = self.text(name, default)
        for choice in choices:
            if choice.casefold() == value.casefold():
                return choice
        raise EnvError(name, value, "one of " + ", ".join(choices))

    def database(self, name: str, default: str) -> str:
        """Return a name that MongoDB takes for a database."""
        value = self.text(name, default)
        if not _DATABASE.match(value):
            raise EnvError(name, value, "a database's name: up to 63 letters, digits, underscores and hyphens")
        return value

    def currency(self, name: str, default: str) -> str:
        """Return an ISO 4217 code; the case of the value does not matter."""
        value = self.text(name, default).upper()
        if not _CURRENCY.match(value):
            raise EnvError(name, value, "the three letters of an ISO 4217 currency, such as EUR")
        return value

    def rate(self, name: str, default: str) -> str:
        """Return a rate such as ``60/minute``; a variable that is set but empty turns the limit off."""
        raw = self._source.get(name, default).strip().lower()
        if not raw:
            return ""
        match = _RATE.match(raw)
        if not match or int(match["amount"]) < 1:
            raise EnvError(name, raw, "a rate such as 60/minute, or nothing to turn the limit off")
        return f"{match['amount']}/{match['unit']}"

    def path(self, name: str, default: Path) -> Path:
        """Return an absolute path; ``~`` is expanded."""
        raw = self.text(name)
        return Path(raw).expanduser().resolve() if raw else default.resolve()
