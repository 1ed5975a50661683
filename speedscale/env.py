"""Typed readers of environment variables.

A wrong value raises :class:`EnvError`, whose message is one line that names the variable, the value and
what would have been right. ``manage.py`` and the WSGI entry point print that line instead of a traceback.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})
_HOST = re.compile(r"^(\*|\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9a-fA-F:]+\])(:\d+)?$")
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

    def hosts(self, name: str, default: str = "") -> list[str]:
        """Return host names; a leading dot stands for all subdomains."""
        values = self.words(name, default)
        for value in values:
            if not _HOST.match(value):
                raise EnvError(name, value, "host names separated by commas, without scheme or path")
        return values

    def origins(self, name: str) -> list[str]:
        """Return origins such as ``https://shop.example``."""
        values = self.words(name)
        for value in values:
            scheme, separator, rest = value.partition("://")
            if scheme not in {"http", "https"} or not separator or "/" in rest or not rest:
                raise EnvError(name, value, "origins such as https://shop.example, separated by commas")
        return values

    def networks(self, name: str) -> list[str]:
        """Return IP addresses and networks in CIDR notation."""
        values = self.words(name)
        for value in values:
            try:
                ipaddress.ip_network(value, strict=False)
            except ValueError:
                raise EnvError(name, value, "IP addresses or networks such as 10.0.0.0/8") from None
        return values

    def url(self, name: str, schemes: tuple[str, ...], default: str = "") -> str:
        """Return a URL whose scheme is one of ``schemes``. The value is never echoed: it may hold a password."""
        raw = self.text(name, default)
        if raw and not raw.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            expected = "a URL that starts with " + " or ".join(f"{scheme}://" for scheme in schemes)
            raise EnvError(name, raw.partition("://")[0][:12] + "...", expected)
        return raw

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
