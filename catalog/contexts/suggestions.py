"""The list below a search field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse

from catalog.contexts.links import brand_url, category_url, query_url
from catalog.services.suggestions import SuggestionJSON

_ICONS = {"query": "search", "category": "layers", "brand": "tag", "product": "package"}
_LABELS = {"query": "", "category": "Category", "brand": "Brand", "product": "Product"}


@dataclass(frozen=True, slots=True)
class SuggestionRow:
    """A suggestion to choose; ``typed`` and ``rest`` are its text, taken apart where what was typed ends."""

    url: str
    icon: str
    label: str
    typed: str
    rest: str
    detail: str


def suggestion_url(suggestion: SuggestionJSON) -> str:
    """Return the address that a suggestion leads to."""
    key = suggestion["key"]
    match suggestion["kind"]:
        case "category":
            return category_url(key)
        case "brand":
            return brand_url(key)
        case "product":
            return reverse("catalog:product", kwargs={"product_id": key})
        case _:
            return query_url(key)


def build_suggestions(suggestions: Sequence[SuggestionJSON], *, beginning: str) -> tuple[SuggestionRow, ...]:
    """Prepare the list for what was typed."""
    return tuple(_row(suggestion, beginning) for suggestion in suggestions)


def _row(suggestion: SuggestionJSON, beginning: str) -> SuggestionRow:
    text = suggestion["text"]
    cut = len(beginning) if text[: len(beginning)].lower() == beginning else 0
    kind = suggestion["kind"]
    return SuggestionRow(
        url=suggestion_url(suggestion),
        icon=_ICONS[kind],
        label=_LABELS[kind],
        typed=text[:cut],
        rest=text[cut:],
        detail=suggestion["detail"],
    )
