"""What trainings tell at a terminal: progress, metrics, models."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from recommender import repository
from recommender.models import MODEL
from recommender.training import Trained

_WIDTH = 118
_STEPS = {
    "read": "reading products, learning terms",
    "index": "placing products",
    "materialise": "writing neighbours",
    "evaluate": "evaluating",
}


class Silent:
    """Progress that is not shown."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def step(self, name: str, *, total: int | None) -> None:
        """Begin a step."""

    def advance(self, count: int) -> None:
        """Count products."""


class Bars:
    """A bar a step, at a terminal; elsewhere nothing, because a log is not a terminal.

    Args:
        stream: where to draw, such as a command's ``stdout``.
    """

    def __init__(self, stream: Any) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<34}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(file=stream, width=_WIDTH if not stream.isatty() else None),
            disable=not stream.isatty(),
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def step(self, name: str, *, total: int | None) -> None:
        """Begin a step; the one before is done."""
        if self._task is not None:
            finished = self._progress.tasks[self._task]
            self._progress.update(self._task, total=finished.completed or 1, completed=finished.completed or 1)
        self._task = self._progress.add_task(_STEPS[name], total=total)

    def advance(self, count: int) -> None:
        """Count products."""
        if self._task is not None:
            self._progress.advance(self._task, count)


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
        table.add_column(name.replace("_at_", "@").replace("_", "\n"), justify="right")
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
