"""Train, prove, materialise, swap: from the products to a live model."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from time import perf_counter
from typing import Any

import numpy as np

from catalog.products import Product
from catalog.progress import Progress
from catalog.repository import count_changes, stream_products
from recommender import repository
from recommender.artefacts import delete_artefact, is_version, load_artefact, new_version, save_artefact
from recommender.caching import forget_active_version
from recommender.corpus import Corpus
from recommender.diversity import Selection
from recommender.evaluation import evaluate, fallen_metrics, sample_rows
from recommender.features import FEATURES_VERSION, FIELD_WEIGHTS, NEARLY_SAME
from recommender.lock import TrainingLock
from recommender.materialising import CANDIDATES, Job, materialise
from recommender.models import MODEL, Manifest, ModelRefused
from recommender.neighbours import EXACT_LIMIT, NeighbourFinder
from recommender.shared import SharedFeatures
from recommender.vectors import embed, fit_vectors

_DIMENSIONS = 96
_LIBRARIES = ("scikit-learn", "scipy", "numpy", "skops", "sparse_dot_topn")
_KEPT_VERSIONS = 2
_TOLD_EVERY = 200
"""Products that are read between two tellings of how far it is."""
_STEPS = {
    "read": "Products read, terms learned",
    "index": "Products placed",
    "materialise": "Neighbours written",
    "evaluate": "Evaluation",
}


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """What a training can be told.

    Attributes:
        limit: train on the so many most popular products only; 0 for all.
        margin: how far a guarded metric may fall below the live model's.
        force: go live whatever the metrics say.
        processes: how many write neighbours.
        exact_limit: number of products above which neighbours are searched in clusters.
        max_terms: size of the vocabulary.
        sample: products that the evaluation looks at.
    """

    limit: int = 0
    margin: float = 0.05
    force: bool = False
    processes: int = 2
    exact_limit: int = EXACT_LIMIT
    max_terms: int = 250_000
    sample: int = 1_000
    selection: Selection = field(default_factory=Selection)


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training; ``refused`` says why the model did not go live, or is empty."""

    manifest: Manifest
    refused: str


class EmptyCatalogue(ModelRefused):
    """There is nothing to train on; the live model stays."""


def train(options: TrainingOptions, progress: Progress) -> Trained:
    """Train a model and make it live, unless its metrics forbid that.

    Raises:
        EmptyCatalogue: there is no active product.
        TrainingRunning: another training is at work.
        NothingToLearn: no product shares a term with another.
        WorkerFailed: a process died.
        CatalogUnavailable: MongoDB does not answer.
    """
    started = datetime.now(UTC)
    version = new_version(started)
    with TrainingLock(version) as lock:
        _clear_leftovers(lock.unfinished)
        try:
            trained = _build(version, started, options, progress)
            lock.confirm()
            repository.insert_model(trained.manifest, refused=trained.refused)
        except BaseException:
            # Also on Ctrl-C: what has been written belongs to a version that nobody will ever ask for.
            _delete(version)
            raise
        if not trained.refused:
            _go_live(version)
        return trained


def activate(version: str, *, force: bool = False) -> Manifest:
    """Make a kept model live again, after checking its files and neighbours.

    Raises:
        TrainingRunning: a training is at work; the two would remove each other's models.
        UnknownModel: there is no such model.
        BadArtefact: its files are damaged.
        ModelRefused: its neighbours are incomplete, or it was refused and ``force`` is not set.
    """
    # Without a version of its own: if this process is killed, nothing of the model is unfinished.
    with TrainingLock("") as lock:
        _clear_unfinished({lock.unfinished})
        manifest, refused = repository.get_model(version)
        if refused and not force:
            raise ModelRefused(f"Model {version} was refused: {refused}. Use --force to make it live all the same.")
        load_artefact(manifest)
        stored = repository.count_neighbours(version)
        if stored != manifest.products:
            raise ModelRefused(f"Model {version} has the neighbours of {stored:,} products, not {manifest.products:,}.")
        lock.confirm()
        _go_live(version)
    return manifest


def _build(version: str, started: datetime, options: TrainingOptions, progress: Progress) -> Trained:
    seconds: dict[str, float] = {}
    expected = count_changes(started)[1]
    expected = min(expected, options.limit) if options.limit else expected
    with _step(seconds, "read", progress, expected) as advance:
        corpus = Corpus(_counted(stream_products(limit=options.limit), advance))
        lines = corpus.lines()
        first = next(lines, None)
        if first is None:
            raise EmptyCatalogue("There is no active product to train on. The live model, if any, stays.")
        vectors = fit_vectors(chain((first,), lines), expected=expected, max_terms=options.max_terms)
    with _step(seconds, "index", progress, None):
        space = embed(vectors.matrix, dimensions=_DIMENSIONS)
        finder = NeighbourFinder(vectors.matrix, space, exact_limit=options.exact_limit)
        repository.insert_terms(version, zip(vectors.vocabulary, map(float, vectors.weights), strict=True))
    labels = np.array([corpus.labels.get(token, "") for token in vectors.vocabulary], dtype=object)
    job = Job(
        version=version,
        corpus=corpus,
        matrix=vectors.matrix,
        space=space,
        features=SharedFeatures(vectors.matrix, labels),
        finder=finder,
        selection=options.selection,
        sample=frozenset(sample_rows(vectors.matrix.shape[0], size=options.sample)),
    )
    with _step(seconds, "materialise", progress, len(corpus)) as advance:
        done = materialise(job, processes=options.processes, advance=advance)
    with _step(seconds, "evaluate", progress, None):
        metrics = evaluate(corpus=corpus, matrix=vectors.matrix, finder=finder, done=done)
    manifest = _manifest(version, started, corpus, finder, options, metrics, seconds)
    manifest = save_artefact(manifest, vectors.vectoriser, vectors.weights, corpus.ids)
    return Trained(manifest, _refusal(manifest, options))


def _refusal(manifest: Manifest, options: TrainingOptions) -> str:
    live = repository.get_active()
    if live is None or options.force:
        return ""
    before, _ = repository.get_model(live.version)
    fallen = fallen_metrics(manifest.metrics[MODEL], before.metrics[MODEL], margin=options.margin)
    return "; ".join(fallen)


def _manifest(
    version: str,
    started: datetime,
    corpus: Corpus,
    finder: NeighbourFinder,
    options: TrainingOptions,
    metrics: dict[str, dict[str, float | None]],
    seconds: dict[str, float],
) -> Manifest:
    libraries = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    parameters: dict[str, Any] = {
        "features_version": FEATURES_VERSION,
        "field_weights": FIELD_WEIGHTS,
        "terms": finder.matrix.shape[1],
        "rows": finder.matrix.shape[0],
        "max_terms": options.max_terms,
        "limit": options.limit,
        "method": "exact" if finder.is_exact else "clusters",
        "dimensions": _DIMENSIONS,
        "candidates": CANDIDATES,
        "list_length": options.selection.length,
        "diversity": options.selection.diversity,
        "nearly_same": NEARLY_SAME,
    }
    return Manifest(
        version=version,
        created_at=started,
        libraries={"python": platform.python_version(), **libraries},
        fingerprint=corpus.fingerprint,
        products=len(corpus),
        window=corpus.window,
        parameters=parameters,
        metrics=metrics,
        seconds={name: round(value, 2) for name, value in seconds.items()},
    )


def _go_live(version: str) -> None:
    """Swap the pointer, then remove what is neither live nor the one before."""
    before = repository.get_active()
    repository.set_active(version)
    forget_active_version()
    good = [manifest.version for manifest, refused in repository.list_models() if not refused]
    ranked = dict.fromkeys([version, *([before.version] if before else []), *good])
    for other in list(ranked)[_KEPT_VERSIONS:]:
        _delete(other)


def _clear_leftovers(unfinished: str) -> None:
    """Remove what killed trainings and broken deletions left, and models that were refused and not wanted since."""
    live = repository.get_active()
    for manifest, refused in repository.list_models():
        if refused and (live is None or manifest.version != live.version):
            _delete(manifest.version)
    _clear_unfinished({unfinished, *repository.stored_versions()})


def _clear_unfinished(versions: set[str]) -> None:
    """Remove those of ``versions`` that are no finished model."""
    live = repository.get_active()
    finished = {manifest.version for manifest, _ in repository.list_models()} | ({live.version} if live else set())
    for version in filter(is_version, versions - finished):
        _delete(version)


def _counted(products: Iterable[Product], advance: Callable[[int], None]) -> Iterator[Product]:
    for number, product in enumerate(products, start=1):
        if number % _TOLD_EVERY == 0:
            advance(_TOLD_EVERY)
        yield product


def _delete(version: str) -> None:
    # The manifest goes last: as long as it is there, a deletion that was interrupted is taken up again.
    repository.delete_neighbours(version)
    delete_artefact(version)
    repository.delete_manifest(version)


@contextmanager
def _step(
    seconds: dict[str, float], name: str, progress: Progress, total: int | None
) -> Iterator[Callable[[int], None]]:
    """Time a step and show how far it is; yield what is told how many more products are done."""
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress.update(done)

    progress.begin(_STEPS[name], total, shows_rate=total is not None)
    started = perf_counter()
    try:
        yield advance
        if total is not None:
            progress.update(total)
    finally:
        progress.end()
    seconds[name] = perf_counter() - started
