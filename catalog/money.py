"""Amounts of money: minor units inside, major units for people and programs."""

from __future__ import annotations

from django.conf import settings

_MINOR_DIGITS = {"BHD": 3, "JOD": 3, "KWD": 3, "OMR": 3, "TND": 3, "CLP": 0, "ISK": 0, "JPY": 0, "KRW": 0, "VND": 0}


def minor_digits(currency: str) -> int:
    """Return how many decimals amounts of ``currency`` have (ISO 4217)."""
    return _MINOR_DIGITS.get(currency, 2)


def major_units(amount: int, currency: str) -> float:
    """Return an amount given in minor units as people write it: 4999 EUR is 49.99."""
    digits = minor_digits(currency)
    return round(amount / 10**digits, digits) if digits else float(amount)


def minor_per_major() -> int:
    """Return how many minor units make one unit of the shop's currency: 100 for EUR, 1 for JPY."""
    return int(10 ** minor_digits(shop_currency()))


def shop_currency() -> str:
    """Return the ISO 4217 code of the currency that shoppers filter prices in."""
    code: str = settings.CURRENCY
    return code
