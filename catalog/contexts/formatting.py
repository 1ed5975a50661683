"""Prices, numbers and times as people read them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from catalog.money import minor_digits, shop_currency
from catalog.products import AttributeValue
from catalog.search.analysis import tokens

_SYMBOLS = {
    "AUD": "A$",
    "BRL": "R$",
    "CAD": "C$",
    "CNY": "CN¥",
    "EUR": "€",
    "GBP": "£",
    "HKD": "HK$",
    "ILS": "₪",
    "INR": "₹",
    "JPY": "¥",
    "KRW": "₩",
    "MXN": "MX$",
    "NZD": "NZ$",
    "USD": "$",
    "VND": "₫",
}
_NARROW_SPACE = "\u202f"


def format_price(amount: float, currency: str) -> str:
    """Return an amount in major units with its currency: ``€1,299.00``, ``¥4,999``, ``CHF 49.90``."""
    number = f"{amount:,.{minor_digits(currency)}f}"
    symbol = _SYMBOLS.get(currency)
    return f"{symbol}{number}" if symbol else f"{currency}{_NARROW_SPACE}{number}"


def currency_symbol(currency: str) -> str:
    """Return the symbol of a currency, else its code."""
    return _SYMBOLS.get(currency, currency)


def format_minor(amount: int | None) -> str:
    """Return an amount of the shop's currency as it is typed into a field; empty for ``None``."""
    if amount is None:
        return ""
    digits = minor_digits(shop_currency())
    major, rest = divmod(amount, 10**digits)
    return f"{major}.{rest:0{digits}}" if rest else str(major)


def format_date(iso: str) -> str:
    """Return the day of an ISO 8601 time, such as ``4 March 2026``."""
    moment = datetime.fromisoformat(iso)
    return f"{moment.day} {moment:%B %Y}"


def format_attribute(value: AttributeValue) -> str:
    """Return the value of a product's attribute in words."""
    match value:
        case bool():
            return "Yes" if value else "No"
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def plural(count: int, one: str, many: str) -> str:
    """Return the count with the word that fits it, such as ``1 product``."""
    return f"{count:,} {one if count == 1 else many}"


def highlighted(text: str, terms: Collection[str]) -> SafeString:
    """Return ``text`` as HTML, the words that a query asked for within ``<mark>``; everything else is escaped."""
    if not terms:
        return escape(text)
    parts: list[str] = []
    end = 0
    for token in tokens(text):
        if token.term in terms:
            parts += (escape(text[end : token.start]), "<mark>", escape(text[token.start : token.end]), "</mark>")
            end = token.end
    parts.append(escape(text[end:]))
    return mark_safe("".join(parts))  # noqa: S308  (every piece of the text passed escape())
