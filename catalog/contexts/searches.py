"""The pages on which staff sees what shoppers search for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from cachelayer.demand import Asked
from catalog.contexts.formatting import plural
from catalog.contexts.links import query_url
from catalog.services.searches import Attempts

PAGE_SIZE = 25
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class SearchRow:
    """A query with its numbers and what staff can do about it.

    Attributes:
        place: mean place of what was chosen; empty where nothing was.
        tried: what search did about it, in words.
    """

    query: str
    url: str
    times: str
    share: str
    place: str
    tried: tuple[str, ...]
    synonym_url: str
    pin_url: str


@dataclass(frozen=True, slots=True)
class SearchList:
    """A page of queries.

    Attributes:
        is_away: whether nothing is known because Redis does not answer.
        position: such as ``26 to 50 of 214``; empty where there are none.
    """

    rows: tuple[SearchRow, ...]
    is_away: bool
    position: str
    previous_url: str
    next_url: str
    csv_url: str


def build_search_list(
    found: Sequence[Asked] | None, *, path: str, csv_path: str, page: int, attempts: Callable[[str], Attempts] | None
) -> SearchList:
    """Prepare a page of queries.

    Args:
        page: from 1; one behind the end shows the last.
        attempts: tells what search tries for a query; ``None`` where it finds something.
    """
    everything = found or []
    last = max((len(everything) - 1) // PAGE_SIZE + 1, 1)
    number = min(page, last)
    begin = (number - 1) * PAGE_SIZE
    shown = everything[begin : begin + PAGE_SIZE]
    return SearchList(
        rows=tuple(_row(each, attempts(each.member) if attempts else None) for each in shown),
        is_away=found is None,
        position=f"{begin + 1} to {begin + len(shown)} of {len(everything):,}" if shown else "",
        previous_url=f"{path}?{urlencode({'page': number - 1})}" if number > 1 else "",
        next_url=f"{path}?{urlencode({'page': number + 1})}" if number < last else "",
        csv_url=csv_path,
    )


def csv_rows(found: Sequence[Asked], attempts: Callable[[str], Attempts] | None) -> list[list[str]]:
    """Return the rows of a table for spreadsheets, its head first; no cell is taken for a formula."""
    if attempts is None:
        rows = [["query", "searches", "click_through", "mean_position"]]
        rows += [
            [each.member, f"{each.times:.2f}", f"{_share(each):.4f}", f"{each.mean_place:.2f}" if each.chosen else ""]
            for each in found
        ]
    else:
        rows = [["query", "searches", "spellings_tried", "words_left_out", "words_unknown"]]
        for each in found:
            tried = attempts(each.member)
            lists = (tried.corrected, tried.dropped, tried.unknown)
            rows.append([each.member, f"{each.times:.2f}", *("; ".join(words) for words in lists)])
    return [[f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in row] for row in rows]


def pin_url(query: str) -> str:
    """Return the address on which products are pinned to a query."""
    return f"{reverse('staff:pin')}?{urlencode({'q': query})}"


def _row(asked: Asked, tried: Attempts | None) -> SearchRow:
    return SearchRow(
        query=asked.member,
        url=query_url(asked.member),
        times=_times(asked.times),
        share=f"{_share(asked):.0%}",
        place=f"{asked.mean_place:.1f}" if asked.chosen else "",
        tried=_told(tried) if tried else (),
        synonym_url=f"{reverse('staff:new_synonyms')}?{urlencode({'phrase': asked.member})}",
        pin_url=pin_url(asked.member),
    )


def _share(asked: Asked) -> float:
    return min(asked.chosen / asked.times, 1.0) if asked.times else 0.0


def _times(number: float) -> str:
    # What has faded to less than half is still a search that somebody made.
    return f"{number:,.0f}" if number >= 10 else f"{max(number, 0.1):.1f}".removesuffix(".0")


def _told(tried: Attempts) -> tuple[str, ...]:
    lines = []
    if tried.unknown:
        lines.append(f"{plural(len(tried.unknown), 'word', 'words')} that no product has: {', '.join(tried.unknown)}")
    if tried.corrected:
        lines.append(f"Spellings tried: {', '.join(tried.corrected)}")
    if tried.dropped:
        lines.append(f"Left out in turn: {', '.join(tried.dropped)}")
    return tuple(lines) or ("Nothing else to try",)
