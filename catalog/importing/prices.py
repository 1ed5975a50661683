"""Prices as people write them, to minor units: strict, for a price that is guessed wrongly is off by a thousand."""

from __future__ import annotations

import math
import re
from decimal import Context, Decimal
from typing import Literal

from catalog.errors import InvalidProduct
from catalog.importing.rows import shown
from catalog.money import minor_digits

DecimalMark = Literal["", ".", ","]
_MAX_LENGTH = 40
_SIGNS = {
    "€": ("EUR",),
    "£": ("GBP", "FKP", "GIP", "SHP", "SSP", "SYP", "EGP", "LBP"),
    "¥": ("JPY", "CNY"),
    "₹": ("INR",),
    "₩": ("KRW",),
    "zł": ("PLN",),
    "kč": ("CZK",),
    "kr": ("SEK", "NOK", "DKK", "ISK"),
    "fr.": ("CHF",),
    "$": (),
}
"""Currencies that a sign may stand for; ``$`` stands for too many to tell."""
_UNAMBIGUOUS = {"€": "EUR", "₹": "INR", "₩": "KRW", "zł": "PLN", "kč": "CZK", "fr.": "CHF"}
_MARK = rf"[a-z]{{3}}|{'|'.join(map(re.escape, _SIGNS))}"
_PRICE = re.compile(rf"(?P<before>{_MARK})?\s*(?P<number>[0-9][0-9.,'’\s]*?)\s*(?P<after>{_MARK})?", re.IGNORECASE)
_GROUPS = re.compile(r"[0-9]{1,3}(?P<mark>[.,' ])[0-9]{3}(?:(?P=mark)[0-9]{3})*")
_DIGITS = re.compile(r"[0-9]+")
_EXACT = Context(prec=400)  # More digits than any float or accepted text has, so that nothing is rounded.


def price_from_minor(value: object) -> int:
    """Return a price that is given in minor units, as a whole number or its digits.

    Raises:
        InvalidProduct: it is anything else.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and len(value) <= _MAX_LENGTH and re.fullmatch(r"[0-9]+", value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidProduct("price", f"{shown(value)} is not a whole number of minor units")
    return value


def price_from_major(value: object, *, currency: str, decimal: DecimalMark = "") -> int:
    """Return a price in minor units that is given in major units, such as 49.9 or "1.299,00 €".

    Args:
        value: a JSON number, or text with at most one currency sign or code.
        currency: the currency of the product; a sign or code of another one is refused.
        decimal: the decimal mark of the file; empty to accept either where only one reading is possible.

    Raises:
        InvalidProduct: it is no price, has more decimals than the currency, or could be read in two ways.
    """
    if isinstance(value, str):
        number, mark = _split(value)
        if mark and not _may_mean(mark, currency):
            raise InvalidProduct("price", f"{shown(value)} is not in {currency}")
        amount = _amount(number, decimal)
    elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        amount = Decimal(repr(value))
    else:
        raise InvalidProduct("price", f"{shown(value)} is not a price")
    minor = amount.scaleb(minor_digits(currency), context=_EXACT)
    if minor != minor.to_integral_value():
        raise InvalidProduct(
            "price", f"{shown(value)} has more than the {minor_digits(currency)} decimals of {currency}"
        )
    return int(minor)


def currency_in(value: object) -> str:
    """Return the currency that a price names itself, as in "€ 49" or "49 CHF"; empty where it names none for sure."""
    if not isinstance(value, str) or not (match := _match(value)):
        return ""
    mark = match["before"] or match["after"] or ""
    return mark.upper() if re.fullmatch(r"[A-Za-z]{3}", mark) else _UNAMBIGUOUS.get(mark.lower(), "")


def _match(text: str) -> re.Match[str] | None:
    return _PRICE.fullmatch(text.strip()) if len(text) <= _MAX_LENGTH else None


def _split(text: str) -> tuple[str, str]:
    match = _match(text)
    if not match or (match["before"] and match["after"]):
        raise InvalidProduct("price", f"{shown(text)} is not a price")
    return re.sub(r"\s", " ", match["number"].replace("’", "'")), match["before"] or match["after"] or ""


def _may_mean(mark: str, currency: str) -> bool:
    if mark == "$":
        return True
    return currency in _SIGNS.get(mark.lower(), (mark.upper(),))


def _amount(number: str, decimal: DecimalMark) -> Decimal:
    """Read digits with marks between them.

    Raises:
        InvalidProduct: the marks make no sense, or two different ones.
    """
    last = max(number.rfind("."), number.rfind(","))
    point: str
    if decimal:
        point = decimal
    elif last < 0:
        point = "."
    elif len({mark for mark in number if mark in ".,"}) == 2:
        point = number[last]
    elif number.count(number[last]) > 1:
        point = "," if number[last] == "." else "."
    elif _GROUPS.fullmatch(number) and not number.startswith("0"):
        raise InvalidProduct(
            "price",
            f"{shown(number)} could be read in two ways; state the decimal mark in the mapping "
            '([price] decimal = "." or ",")',
        )
    else:
        point = number[last]
    whole, _, fraction = number.partition(point)
    grouped = _GROUPS.fullmatch(whole)
    if not (_DIGITS.fullmatch(whole) or (grouped and grouped["mark"] != point)):
        raise InvalidProduct("price", f"{shown(number)} is not a price")
    if (fraction and not _DIGITS.fullmatch(fraction)) or (point in number and not fraction):
        raise InvalidProduct("price", f"{shown(number)} is not a price")
    return Decimal("".join(_DIGITS.findall(whole)) + "." + (fraction or "0"))
