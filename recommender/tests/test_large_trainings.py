"""What only large catalogues need, on a small one: neighbours within clusters, written by several processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client

from catalog.indexes import PRODUCTS
from catalog.seeding.catalogue import seed_catalogue
from recommender import materialising, neighbours, repository
from recommender.materialising import Job
from recommender.models import MODEL
from recommender.neighbours import Block
from recommender.tests.conftest import train_now
from recommender.workers import WorkerFailed

PRODUCT_COUNT = 400
EXACT_LIMIT = 100


@pytest.fixture
def seeded(models_db: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Some hundred products in dozens of clusters, of which a row meets a part; written by processes. Their ids."""
    monkeypatch.setattr(neighbours, "_CLUSTER_ROWS", 10)
    monkeypatch.setattr(materialising, "_FEW", EXACT_LIMIT)
    seed_catalogue(database=models_db, uri=settings.MONGO_URI, count=PRODUCT_COUNT)
    return [str(found["_id"]) for found in models_db[PRODUCTS].find({"stock": {"$gt": 0}}, {"_id": 1}).limit(20)]


def model_directories() -> list[str]:
    return [path.name for path in (Path(settings.DATA_DIR) / "models").iterdir()]


@pytest.fixture
def mortal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a process that writes neighbours be killed once it has written some, as when memory has run out."""
    parent = os.getpid()
    write: Callable[[Job, Block], Any] = materialising._write_block

    def written_last(job: Job, block: Block) -> Any:
        write(job, block)
        assert os.getpid() != parent
        assert repository.count_neighbours(job.version)
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(materialising, "_write_block", written_last)


def test_neighbours_found_in_clusters_are_served_and_a_killed_process_ends_the_training(
    client: Client, seeded: list[str], request: pytest.FixtureRequest
) -> None:
    manifest = train_now(exact_limit=EXACT_LIMIT).manifest
    assert manifest.parameters["method"] == "clusters"
    assert repository.count_neighbours(manifest.version) == manifest.products == PRODUCT_COUNT
    overlap = manifest.metrics[MODEL]["overlap_at_10"]
    assert overlap is not None
    assert 0.8 <= overlap < 1.0, "some of the nearest are in clusters that were not met"
    for product_id in seeded:
        body = client.get(f"/api/products/{product_id}/similar?limit=5").json()
        assert (body["source"], body["model"], body["count"]) == ("ML_ENGINE", manifest.version, 5)
        assert product_id not in {row["_id"] for row in body["data"]}
    exact = train_now(force=True).manifest
    assert exact.parameters["method"] == "exact"
    assert exact.metrics[MODEL]["overlap_at_10"] == 1.0

    kept = {manifest.version, exact.version}
    request.getfixturevalue("mortal")
    with pytest.raises(CommandError, match="A process that writes neighbours ended with status -9") as caught:
        call_command("train_recommender", "--exact-limit", str(EXACT_LIMIT), verbosity=0)
    assert isinstance(caught.value.__cause__, WorkerFailed)
    active = repository.get_active()
    assert active is not None
    assert active.version == exact.version
    assert repository.stored_versions() == kept
    assert {manifest.version for manifest, _ in repository.list_models()} == kept
    assert set(model_directories()) == kept
    assert client.get(f"/api/products/{seeded[0]}/similar").json()["model"] == exact.version
