"""An evaluation: products into a database of its own, judged queries through the search that serves, metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from catalog import mongo
from catalog.documents import ProductDraft, draft_of, to_product
from catalog.evaluation.baseline import FullTextBaseline
from catalog.evaluation.metrics import Grades, Metrics, measure
from catalog.evaluation.typos import TypoReport, measure_typos
from catalog.importing.errors import ImportFailed
from catalog.importing.formats import rows_of
from catalog.importing.interrupt import Interrupts
from catalog.importing.lines import open_source
from catalog.importing.loading import prepare
from catalog.importing.mapping import ImportMapping
from catalog.importing.progress import shown_progress
from catalog.importing.report import ImportReport, rejection_file
from catalog.importing.run import Destination, run_import
from catalog.indexes import PRODUCTS
from catalog.progress import Progress
from catalog.search.request import SearchRequest, normalise_query
from catalog.services.finding import find_page
from catalog.vocabulary.building import build_vocabulary

DEPTH = 50
_JUDGED_DEPTH = 400


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What search and the baseline are worth on the same judged queries.

    Attributes:
        products: number of products searched.
        results: skus by query, best first.
        typos: how well misspelt queries are put up with.
        missing: judged products that the file does not hold.
    """

    products: int
    missing: int
    ours: Metrics
    baseline: Metrics
    typos: TypoReport
    results: Mapping[str, list[str]]


def load_products(path: Path, mapping: ImportMapping, progress: Progress | None = None) -> int:
    """Import a file into the database of the settings and count its words; return the number of products.

    Raises:
        catalog.importing.errors.ImportFailed: the file cannot be opened.
        catalog.importing.errors.DamagedFile: it holds no row that can be read.
    """
    database = mongo.command_database()
    prepare(database, dry_run=False)
    report = ImportReport()
    with (
        open_source(str(path)) as source,
        rejection_file("", source=str(path)) as rejections,
        shown_progress(source, report),
    ):
        run_import(
            rows_of(source).rows,
            mapping=mapping,
            destination=Destination(database, rejections),
            report=report,
            interrupts=Interrupts(),
        )
    if report.interrupted or report.stopped:
        raise ImportFailed(report.stopped or "Interrupted.")
    build_vocabulary(database, progress)
    return database[PRODUCTS].count_documents({"active": True})


def evaluate(judgements: Mapping[str, Grades], *, products: int) -> Evaluation:
    """Search for all judged queries in the database of the settings."""
    baseline = FullTextBaseline()
    known = set()
    for draft in _stored_drafts():
        known.add(draft.sku)
        baseline.add([draft])
    ours = {query: search(query, limit=_JUDGED_DEPTH) for query in judgements}
    theirs = {query: baseline.search(query, limit=_JUDGED_DEPTH) for query in judgements}
    baseline.close()
    return Evaluation(
        products=products,
        missing=len({sku for grades in judgements.values() for sku in grades} - known),
        ours=measure(ours, judgements),
        baseline=measure(theirs, judgements),
        typos=measure_typos(),
        results=ours,
    )


def search(query: str, *, limit: int) -> list[str]:
    """Return the skus that a shopper is shown for ``query``, best first."""
    page = find_page(SearchRequest(query=normalise_query(query), limit=limit))
    return [result.product.sku for result in page.results]


def _stored_drafts() -> Iterator[ProductDraft]:
    for document in mongo.command_database()[PRODUCTS].find({"active": True}, {"terms": 0, "words": 0}):
        yield draft_of(to_product(document))
