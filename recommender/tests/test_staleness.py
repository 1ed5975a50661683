"""When a model is out of date, by age and by what a training would learn anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from catalog import mongo
from recommender.repository import MODELS
from recommender.staleness import staleness
from recommender.tests.conftest import train_now, versions
from recommender.training import Trained


def test_a_fresh_model_is_not_trained_again(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("train_recommender", "--if-stale")
    assert "fresh enough" in capsys.readouterr().out
    assert versions() == [trained.manifest.version]


def test_age_and_change_make_a_model_stale(shop: dict[str, str]) -> None:
    assert staleness(max_age_days=7, max_changed=0.1) == "there is no model"
    version = train_now().manifest.version
    assert staleness(max_age_days=7, max_changed=0.1) == ""
    database = mongo.command_database()
    database["products"].update_many(
        {"sku": {"$in": ["MOUSE-0", "MOUSE-1"]}}, {"$set": {"updated_at": datetime.now(UTC) + timedelta(seconds=1)}}
    )
    assert staleness(max_age_days=7, max_changed=0.1) == "13% of the products have changed"
    assert staleness(max_age_days=7, max_changed=0.2) == ""
    database["products"].delete_many({"sku": {"$regex": "^KEYBOARD"}})
    assert "have changed" in staleness(max_age_days=7, max_changed=0.2)
    long_ago = datetime.now(UTC) - timedelta(days=8)
    database[MODELS].update_one({"_id": version}, {"$set": {"created_at": long_ago}})
    assert staleness(max_age_days=7, max_changed=1) == "the model is 8.0 days old"
    database[MODELS].update_one({"_id": version}, {"$set": {"parameters.features_version": 0}})
    assert "reads products otherwise" in staleness(max_age_days=99, max_changed=1)


def touch(*skus: str, **fields: Any) -> None:
    """Change products now."""
    changes = {"$set": {"updated_at": datetime.now(UTC), **fields}}
    mongo.command_database()["products"].update_many({"sku": {"$in": skus}}, changes)


def test_a_product_that_is_taken_down_counts_once(trained: Trained) -> None:
    touch("MOUSE-0", "MOUSE-1", active=False, terms=[])
    assert staleness(max_age_days=7, max_changed=0.1) == "13% of the products have changed"


def test_a_model_of_the_most_popular_is_measured_by_those(shop: dict[str, str]) -> None:
    train_now(limit=6)
    touch(*(f"KEYBOARD-{number}" for number in range(9)))
    assert staleness(max_age_days=7, max_changed=0.01) == ""
    touch("MOUSE-0")
    assert staleness(max_age_days=7, max_changed=0.01) == "17% of the products have changed"
    mongo.command_database()["products"].delete_one({"sku": "MOUSE-1"})
    assert staleness(max_age_days=7, max_changed=0.01) == "33% of the products have changed"


def test_what_was_refused_is_not_trained_again_until_more_has_changed(
    shop: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    good = train_now().manifest.version
    mongo.command_database()[MODELS].update_one({"_id": good}, {"$set": {"metrics.model.coverage": 1.5}})
    touch("MOUSE-0", "MOUSE-1")
    with pytest.raises(CommandError, match="does not go live"):
        call_command("train_recommender", "--if-stale", verbosity=0)
    [refused, _] = versions()
    capsys.readouterr()
    call_command("train_recommender", "--if-stale", verbosity=0)
    assert f"Model {refused} was refused (coverage" in capsys.readouterr().out
    assert versions() == [refused, good]
    touch("MOUSE-2", "MOUSE-3")
    with pytest.raises(CommandError, match="does not go live"):
        call_command("train_recommender", "--if-stale", verbosity=0)
    assert versions()[0] > refused
