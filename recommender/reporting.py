"""What trainings tell at a terminal: metrics, models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from recommender import repository
from recommender.models import MODEL
from recommender.training import Trained

_WIDTH = 118


def print_trained(stream: Any, trained: Trained) -> None:
    """Tell what a training came to."""
    manifest = trained.manifest
    steps = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in manifest.seconds.items())
    parameters = manifest.parameters
    stream.write(
        f"Model {manifest.version}: {manifest.products:,} products ({parameters['rows']:,} different ones), "
        f"{parameters['terms']:,} terms, neighbours by {parameters['method']} search; {steps}."
    )
    stream.write(metrics_table(manifest.metrics))
    if not trained.refused:
        stream.write(f"Model {manifest.version} is live.")


def metrics_table(metrics: Mapping[str, Mapping[str, float | None]]) -> str:
    """Return metrics as a table, a row a contender."""
    names = list(metrics[MODEL])
    table = Table(title="Evaluation on a sample of products")
    table.add_column("", no_wrap=True)
    for name in names:
        table.add_column(name.replace("_at_", " @").replace("_", "\n").replace(" @", "\n@"), justify="right")
    for contender, values in metrics.items():
        table.add_row(contender, *(_figure(values.get(name)) for name in names))
    return _rendered(table)


def model_table() -> str:
    """Return the models that are kept as a table, newest first."""
    live = repository.get_active()
    table = Table(title="Models")
    for heading in ("version", "state", "products", "terms", "type agreement@5", "overlap@10", "coverage"):
        table.add_column(heading)
    for manifest, refused in repository.list_models():
        metrics = manifest.metrics[MODEL]
        is_live = live is not None and live.version == manifest.version
        table.add_row(
            manifest.version,
            "live" if is_live else f"refused: {refused}" if refused else "kept",
            f"{manifest.products:,}",
            f"{manifest.parameters['terms']:,}",
            *(_figure(metrics.get(name)) for name in ("type_agreement_at_5", "overlap_at_10", "coverage")),
        )
    return _rendered(table) if table.row_count else "There is no model yet."


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _rendered(table: Table) -> str:
    console = Console(width=_WIDTH, no_color=True)
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip()
