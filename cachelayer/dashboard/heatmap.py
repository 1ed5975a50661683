"""Latencies over time as a heatmap: a column for each slot of time, a row for each band of latencies."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from cachelayer.telemetry import Window
from cachelayer.telemetry.histogram import BUCKETS, Histogram, middle_ms
from cachelayer.web.presentation import format_ms

BANDS_PER_DECADE = 5
LOWEST_MS = 0.1
DECADES = 5
BANDS = BANDS_PER_DECADE * DECADES
SHADES = 5
CELL_WIDTH = 12
CELL_HEIGHT = 8
_DRAWN_COLUMNS = 400
"""How many are kept: more than all windows show together."""


@dataclass(frozen=True, slots=True)
class AxisLabel:
    """A label beside the map; ``at`` is its place in percent of the height or width."""

    at: str
    text: str


@dataclass(frozen=True, slots=True)
class Heatmap:
    """The map as SVG.

    Attributes:
        cells: drawn cells, each a link to the requests in it.
        width: of the drawing, in its own units, as is ``height``.
        shades: the smallest count of each shade, the lightest first.
        rows: labels of latencies from the top, columns labels of time from the left.
        summary: the map in words.
        fastest: where nothing was counted, empty.
    """

    cells: SafeString
    width: int
    height: int
    shades: tuple[str, ...]
    rows: tuple[AxisLabel, ...]
    columns: tuple[AxisLabel, ...]
    summary: str


def build_heatmap(window: Window) -> Heatmap:
    """Draw the latencies of a window."""
    columns = [_bands(histogram) for histogram in window.columns]
    most = max((count for column in columns for count in column.values()), default=0)
    cells = _cells(window, columns, most)
    # Numbers and times of our own making only, so there is nothing to escape.
    drawn = mark_safe("".join(cells))  # noqa: S308
    return Heatmap(
        cells=drawn,
        width=len(columns) * CELL_WIDTH,
        height=BANDS * CELL_HEIGHT,
        shades=tuple(f"{_least(shade, most):,}" for shade in range(SHADES)) if most else (),
        rows=tuple(
            AxisLabel(f"{100 - 100 * decade / DECADES:g}%", _short_ms(LOWEST_MS * 10**decade))
            for decade in range(DECADES + 1)
        ),
        columns=_time_labels(window),
        summary=_summary(window, most),
    )


def band_of(milliseconds: float) -> int:
    """Return the row of a latency, from the bottom."""
    if milliseconds <= LOWEST_MS:
        return 0
    return min(int(math.log10(milliseconds / LOWEST_MS) * BANDS_PER_DECADE), BANDS - 1)


def band_edge(band: int) -> float:
    """Return the lower end of a row in ms."""
    return LOWEST_MS * float(10 ** (band / BANDS_PER_DECADE))


@lru_cache(maxsize=_DRAWN_COLUMNS)
def _bands(histogram: Histogram) -> dict[int, int]:
    counts = histogram.counts
    return {band: total for band, buckets in _BUCKETS_OF_BANDS if (total := sum(counts[buckets]))}


def _buckets_of_bands() -> list[tuple[int, slice]]:
    bands = [band_of(middle_ms(bucket)) for bucket in range(BUCKETS)]
    return [(band, slice(bisect_left(bands, band), bisect_right(bands, band))) for band in range(BANDS)]


_BUCKETS_OF_BANDS = _buckets_of_bands()


def _least(shade: int, most: int) -> int:
    """Return the smallest count of a shade; shades grow with the logarithm of the count."""
    return math.ceil(float(most ** (shade / SHADES)) - 1e-9)


def _cells(window: Window, columns: list[dict[int, int]], most: int) -> list[str]:
    seconds = window.size.seconds
    address = reverse("dashboard:history")
    least = [_least(shade, most) for shade in range(SHADES)]
    cells = []
    for number, column in enumerate(columns):
        if column:
            bands = tuple((band, count, bisect_right(least, count) - 1) for band, count in column.items())
            drawn = _drawn_column(address, window.started + number * seconds, seconds, bands)
            cells.append(f'<g transform="translate({number * CELL_WIDTH})">{drawn}</g>')
    return cells


@lru_cache(maxsize=_DRAWN_COLUMNS)
def _drawn_column(address: str, start: float, seconds: int, bands: tuple[tuple[int, int, int], ...]) -> str:
    """Draw band, count and shade of each cell; kept, because a full map has many hundreds and few that change."""
    when = f"{_clock(start, seconds)} UTC"
    times = f"{address}?from={start:.0f}&amp;to={start + seconds:.0f}"
    cell = f"h{CELL_WIDTH}v{CELL_HEIGHT}H0z"
    return "".join(
        f'<a href="{times}&amp;{_BAND_QUERIES[band]}" tabindex="-1">'
        f"<title>{count:,} request{'' if count == 1 else 's'}, {_BAND_TEXTS[band]}, {when}</title>"
        f'<path class="heat heat--{shade}" d="M0 {(BANDS - 1 - band) * CELL_HEIGHT}{cell}"/></a>'
        for band, count, shade in bands
    )


_BAND_EDGES = [(band_edge(band) if band else 0.0, band_edge(band + 1)) for band in range(BANDS)]
_BAND_TEXTS = [f"{format_ms(low)} to {format_ms(high)}" for low, high in _BAND_EDGES]
_BAND_QUERIES = [f"min={low:.3f}&amp;max={high:.3f}" for low, high in _BAND_EDGES]


def _clock(moment: float, seconds: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):{'%H:%M:%S' if seconds < 60 else '%H:%M'}}"


def _time_labels(window: Window) -> tuple[AxisLabel, ...]:
    places = range(0, window.size.columns + 1, window.size.columns // 4)
    seconds = window.size.seconds
    return tuple(
        AxisLabel(f"{100 * place / window.size.columns:g}%", _clock(window.started + place * seconds, seconds))
        for place in places
    )


def _short_ms(milliseconds: float) -> str:
    return f"{milliseconds / 1000:g} s" if milliseconds >= 1000 else f"{milliseconds:g} ms"


def _summary(window: Window, most: int) -> str:
    if not most:
        return f"No request in the last {window.size.label}."
    return (
        f"Heatmap of {window.all.total:,} requests of the last {window.size.label}: time to the right, latency upwards "
        "on a logarithmic scale, darker where there were more. Each cell leads to its requests."
    )
