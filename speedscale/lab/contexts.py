"""What the pages of the lab show of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time

from cachelayer.dashboard.charts import GridLine, decades_of, height_percent, scale_lines
from cachelayer.web.presentation import format_age, format_ms
from speedscale.lab.runs import Plan, Run
from speedscale.lab.summary import COLD_LABELS, HOT_LABELS, Side, Summary, overload_text, summarise

_BANDS = 48
WIDTH = 480
HEIGHT = 100


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in the list."""

    id: str
    at: str
    state: str
    running: bool
    log: str
    pairs: str
    cold: str
    hot: str
    ratio: str


@dataclass(frozen=True, slots=True)
class Distribution:
    """The latencies of one side as an outline over the common scale, in the units of the drawing."""

    label: str
    explained: str
    tone: str
    outline: str
    median_x: str
    median: str
    summary: str


@dataclass(frozen=True, slots=True)
class RatioMark:
    """The ratio on a logarithmic line; places in percent."""

    value: str
    interval: str
    x: str
    low_x: str
    width: str
    ticks: tuple[GridLine, ...]


@dataclass(frozen=True, slots=True)
class RunView:
    """One run."""

    id: str
    at: str
    state: str
    running: bool
    progress: str
    progress_text: str
    problem: str
    overload: str
    log: str
    log_hash: str
    settings: tuple[tuple[str, str], ...]
    sides: tuple[Distribution, ...]
    table: tuple[tuple[str, str, str, str, str], ...]
    ratio: RatioMark | None
    discarded: tuple[tuple[str, str], ...]
    scale: tuple[GridLine, ...]


@dataclass(frozen=True, slots=True)
class RunPage:
    """A run, and beside it another one; ``others`` are those to choose from."""

    run: RunView
    other: RunView | None
    others: tuple[RunRow, ...]
    same_log: bool


def run_row(run: Run) -> RunRow:
    """Return a run as a row of the list."""
    summary = summarise(run)
    ratio = summary.ratio
    return RunRow(
        id=run.id,
        at=_moment(run.started),
        state=run.state,
        running=run.is_running,
        log=_log_text(run.plan),
        pairs=f"{summary.pairs:,}",
        cold=format_ms(summary.cold.p50) if summary.pairs else "–",
        hot=format_ms(summary.hot.p50) if summary.pairs else "–",
        ratio=f"{ratio.value:.1f}× ({ratio.low:.1f} to {ratio.high:.1f})" if ratio else "–",
    )


def build_run_page(run: Run, other: Run | None, *, others: Sequence[Run]) -> RunPage:
    """Prepare a run; both sides of both runs are drawn on one scale."""
    shown = [each for each in (run, other) if each is not None]
    values = [ms for each in shown for pair in each.pairs for ms in (pair.cold_ms, pair.hot_ms)]
    decades = decades_of(values)
    return RunPage(
        run=_view(run, decades),
        other=_view(other, decades) if other is not None else None,
        others=tuple(run_row(each) for each in others if each.id != run.id and each.pairs),
        same_log=other is not None and other.log_hash == run.log_hash,
    )


def _view(run: Run, decades: int) -> RunView:
    summary = summarise(run)
    plan = run.plan
    share = run.finished / run.total if run.total else 0.0
    return RunView(
        id=run.id,
        at=_moment(run.started),
        state=run.state,
        running=run.is_running,
        progress=f"{100 * share:.1f}",
        progress_text=_progress_text(run),
        problem=run.problem,
        overload=overload_text(summary, plan.rate),
        log=_log_text(plan),
        log_hash=run.log_hash,
        settings=(
            ("Cold is", COLD_LABELS[plan.cold]),
            ("Hot is", HOT_LABELS[plan.hot]),
            ("Rate", f"{plan.rate:g} pairs a second, open-loop"),
            ("Log", f"{_log_text(plan)}, {run.total:,} queries"),
            ("Machine", run.machine),
        ),
        sides=(
            _distribution(run, summary.cold, "cold", COLD_LABELS[plan.cold], decades),
            _distribution(run, summary.hot, "hot", HOT_LABELS[plan.hot], decades),
        ),
        table=tuple(_table_row(side) for side in (summary.cold, summary.hot)) if summary.pairs else (),
        ratio=_ratio_mark(summary),
        discarded=tuple((reason, f"{count:,}") for reason, count in sorted(run.discarded.items())),
        scale=scale_lines(decades),
    )


def _table_row(side: Side) -> tuple[str, str, str, str, str]:
    return side.label, format_ms(side.p50), format_ms(side.p90), format_ms(side.p95), format_ms(side.p99)


def _progress_text(run: Run) -> str:
    if not run.total:
        return "starting"
    took = (run.ended or time()) - run.started
    return f"{run.finished:,} of {run.total:,} pairs in {format_age(took)}"


def _log_text(plan: Plan) -> str:
    match plan.log:
        case "recorded":
            return "recorded searches"
        case "file":
            return f"file {plan.name}"
    return f"generated, seed {plan.seed}"


def _moment(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%d %b %Y, %H:%M:%S} UTC"


def _distribution(run: Run, side: Side, tone: str, explained: str, decades: int) -> Distribution:
    values = [pair.cold_ms if tone == "cold" else pair.hot_ms for pair in run.pairs]
    counts = [0] * _BANDS
    for value in values:
        counts[min(int(height_percent(value, decades) / 100 * _BANDS), _BANDS - 1)] += 1
    most = max(counts, default=0) or 1
    step = WIDTH / _BANDS
    points = ["0,100"]
    for band, count in enumerate(counts):
        y = HEIGHT * (1 - count / most * 0.94)
        points += [f"{band * step:.1f},{y:.1f}", f"{(band + 1) * step:.1f},{y:.1f}"]
    points.append(f"{WIDTH},100")
    return Distribution(
        label=side.label,
        explained=explained,
        tone=tone,
        outline=" ".join(points),
        median_x=f"{height_percent(side.p50, decades):.2f}%",
        median=format_ms(side.p50) if values else "–",
        summary=f"{len(values):,} {side.label} answers: median {format_ms(side.p50)}, p95 {format_ms(side.p95)}.",
    )


def _ratio_mark(summary: Summary) -> RatioMark | None:
    ratio = summary.ratio
    if ratio is None:
        return None
    # One scale for all runs, from ten times slower to a thousand times faster.
    places = [_ratio_place(value) for value in (ratio.value, ratio.low, ratio.high)]
    return RatioMark(
        value=f"{ratio.value:.1f}×",
        interval=f"{ratio.low:.1f} to {ratio.high:.1f}",
        x=f"{places[0]:.2f}%",
        low_x=f"{places[1]:.2f}%",
        width=f"{max(places[2] - places[1], 0.5):.2f}%",
        ticks=tuple(GridLine("0", f"{_ratio_place(value):.2f}%", f"{value:g}×") for value in (0.1, 1, 10, 100, 1000)),
    )


def _ratio_place(ratio: float) -> float:
    return min(max((math.log10(max(ratio, 0.001)) + 1) / 4 * 100, 0.0), 100.0)
