"""Latencies over time as a heatmap: a column for each slot of time, a row for each band of latencies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from cachelayer.presentation import format_ms
from cachelayer.telemetry import Window
from cachelayer.telemetry.histogram import Histogram, middle_ms

BANDS_PER_DECADE = 5
LOWEST_MS = 0.1
DECADES = 5
BANDS = BANDS_PER_DECADE * DECADES
SHADES = 5
CELL_WIDTH = 12
CELL_HEIGHT = 8


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
    cells = [
        _cell(window, number, band, count, most)
        for number, column in enumerate(columns)
        for band, count in sorted(column.items())
    ]
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


def _bands(histogram: Histogram) -> dict[int, int]:
    bands: dict[int, int] = {}
    for bucket, count in enumerate(histogram.counts):
        if count:
            band = _BAND_OF_BUCKET[bucket]
            bands[band] = bands.get(band, 0) + count
    return bands


_BAND_OF_BUCKET = [band_of(middle_ms(bucket)) for bucket in range(len(Histogram.of_number(0).counts))]


def _shade(count: int, most: int) -> int:
    """Return 0 to :data:`SHADES` - 1, growing with the logarithm of the count."""
    if most <= 1:
        return SHADES - 1
    return min(int(math.log(count) / math.log(most) * SHADES), SHADES - 1)


def _least(shade: int, most: int) -> int:
    return math.ceil(float(most ** (shade / SHADES)) - 1e-9)


def _cell(window: Window, number: int, band: int, count: int, most: int) -> str:
    seconds = window.size.seconds
    start = window.started + number * seconds
    low, high = band_edge(band) if band else 0.0, band_edge(band + 1)
    query = urlencode({"from": int(start), "to": int(start + seconds), "min": f"{low:.3f}", "max": f"{high:.3f}"})
    requests = "1 request" if count == 1 else f"{count:,} requests"
    title = f"{requests}, {format_ms(low)} to {format_ms(high)}, {_clock(start, seconds)} UTC"
    y = (BANDS - 1 - band) * CELL_HEIGHT
    href = f"{reverse('dashboard:history')}?{query}".replace("&", "&amp;")
    return (
        f'<a href="{href}" tabindex="-1" aria-label="{title}"><title>{title}</title>'
        f'<rect class="heat heat--{_shade(count, most)}" x="{number * CELL_WIDTH}" y="{y}" '
        f'width="{CELL_WIDTH}" height="{CELL_HEIGHT}"/></a>'
    )


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
