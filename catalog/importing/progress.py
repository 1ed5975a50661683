"""A progress bar for a terminal: bytes of the file, products a second, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter

from rich.console import Console, RenderableType
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from catalog.importing.lines import Source
from catalog.importing.report import ImportReport


class _ImportProgress(Progress):
    """Looks at the file and the report each time it is drawn, so that the import need not tell it anything."""

    def __init__(self, source: Source, report: ImportReport, console: Console) -> None:
        self._source = source
        self._report = report
        self._started = perf_counter()
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._bar = self.add_task("Importing", total=source.size_bytes, figures="")

    def get_renderables(self) -> Iterable[RenderableType]:
        if self.tasks:
            rate = self._report.read / max(perf_counter() - self._started, 0.001)
            figures = f"{self._report.read:,} rows, {self._report.rejected:,} rejected, {rate:,.0f}/s"
            self.update(self._bar, completed=self._source.position(), figures=figures)
        return super().get_renderables()


@contextmanager
def shown_progress(source: Source, report: ImportReport) -> Iterator[None]:
    """Show a progress bar on the standard error stream while the block runs, if that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with _ImportProgress(source, report, console):
        yield
