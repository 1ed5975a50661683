"""A catalogue that is small enough to judge by hand, and a clean slate for models."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from catalog import mongo
from catalog.documents import ProductDraft
from catalog.progress import Progress
from catalog.tests.factories import draft, store
from recommender import caching, repository
from recommender.repository import LOCKS, MODEL_TERMS, MODELS, SIMILAR
from recommender.training import Trained, TrainingOptions, train

Train = Callable[..., Trained]


def keyboard(number: int, **fields: Any) -> ProductDraft:
    """Return one of a family of keyboards that differ in brand, layout and name."""
    brands, layouts = ("Cherry", "Logitech", "Razer"), ("Full size", "75 %", "60 %")
    names = ("Aurora", "Basalt", "Cobalt", "Dune", "Ember", "Fjord", "Grove", "Haze", "Indigo")
    defaults: dict[str, Any] = {
        "name": f"{names[number % 9]} {100 + 37 * number} Mechanical Keyboard",
        "brand": brands[number % 3],
        "category_path": ("Accessories", "Keyboards"),
        "product_type": "Keyboard",
        "description": "Types well.",
        "attributes": {"Switches": "Hot-swap", "Lighting": "RGB", "Layout": layouts[number // 3 % 3]},
        "popularity": number,
    }
    return draft(f"KEYBOARD-{number}", **{**defaults, **fields})


def mouse(number: int, **fields: Any) -> ProductDraft:
    """Return one of a family of mice."""
    names = ("Quartz", "Rapid", "Stone", "Tundra", "Umber", "Vale")
    defaults: dict[str, Any] = {
        "name": f"{names[number % 6]} {500 + 41 * number} Mouse",
        "brand": ("Logitech", "Trust")[number % 2],
        "description": "Points well.",
        "attributes": {"Sensor": "Optical", "Buttons": 3 + number % 3},
        "popularity": 100 + number,
    }
    return draft(f"MOUSE-{number}", **{**defaults, **fields})


@pytest.fixture
def models_db(products_db: Any) -> Iterator[Any]:
    """A catalogue and no model, before the test and after it."""
    _clean()
    yield products_db
    _clean()


@pytest.fixture
def shop(models_db: Any) -> dict[str, str]:
    """Nine keyboards and six mice, ids by sku."""
    drafts = [*(keyboard(number) for number in range(9)), *(mouse(number) for number in range(6))]
    return dict(zip([item.sku for item in drafts], store(*drafts), strict=True))


@pytest.fixture
def trained(shop: dict[str, str]) -> Trained:
    """The model of :func:`shop`, live."""
    return train_now()


def train_now(**options: Any) -> Trained:
    """Train with the given options and forget what this process has cached."""
    result = train(TrainingOptions(**options), Progress())
    forget()
    return result


def live() -> str:
    active = repository.get_active()
    return active.version if active else ""


def versions() -> list[str]:
    return [manifest.version for manifest, _ in repository.list_models()]


def forget() -> None:
    """Empty this process's caches, as if the moment of their lifetimes had passed."""
    from cachelayer import engine

    engine.clear_local()
    caching.forget_active_version()


def _clean() -> None:
    database = mongo.command_database()
    for name in (SIMILAR, MODELS, MODEL_TERMS, LOCKS):
        database[name].delete_many({})
    shutil.rmtree(Path(settings.DATA_DIR) / "models", ignore_errors=True)
    caching._last_known[0] = caching.NO_MODEL
