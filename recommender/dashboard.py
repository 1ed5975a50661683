"""What the dashboard says of recommendations: which model is live, how good it is, and who answered lately."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from cachelayer.telemetry import recent_samples
from cachelayer.web.presentation import format_age, source_label
from recommender import repository
from recommender.models import MODEL

_ROUTES = frozenset({"recommender:similar", "recommender:similar_page"})
_SAMPLES = 500


@dataclass(frozen=True, slots=True)
class SourceShare:
    """How many of the latest answers came from a source."""

    label: str
    count: int
    percent: str


@dataclass(frozen=True, slots=True)
class ModelPanel:
    """The model on the dashboard; ``version`` is empty where there is none.

    Attributes:
        figures: name and value of what is measured.
        shares: answers by source, most frequent first.
    """

    version: str
    age: str
    figures: tuple[tuple[str, str], ...]
    shares: tuple[SourceShare, ...]


def build_model_panel() -> ModelPanel:
    """Prepare the panel; raise :class:`~catalog.errors.CatalogUnavailable` when MongoDB does not answer."""
    live = repository.live_manifest()
    shares = _shares()
    if live is None:
        return ModelPanel(version="", age="", figures=(), shares=shares)
    _, manifest = live
    metrics = manifest.metrics[MODEL]
    return ModelPanel(
        version=manifest.version,
        age=format_age((datetime.now(UTC) - manifest.created_at).total_seconds()),
        figures=(
            ("Products", f"{manifest.products:,}"),
            ("Recommended at least once", _percent(metrics.get("coverage"))),
            ("With similar products", _percent(metrics.get("served"))),
            ("Same type among the first 5", _percent(metrics.get("type_agreement_at_5"))),
            ("Found of the exact 10", _percent(metrics.get("overlap_at_10"))),
        ),
        shares=shares,
    )


def _shares() -> tuple[SourceShare, ...]:
    samples, _ = recent_samples(_SAMPLES)
    counts = Counter(sample.source for sample in samples if sample.route in _ROUTES and sample.source)
    total = sum(counts.values())
    return tuple(
        SourceShare(source_label(source), count, f"{100 * count / total:.0f} %")
        for source, count in counts.most_common()
    )


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"
