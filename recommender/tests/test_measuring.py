"""``evaluate_recommender``: what it says of products with a field hidden, and of baskets."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from catalog.repository import stream_products
from catalog.tests.factories import draft, store
from recommender import repository
from recommender.hidden import evaluate_without
from recommender.models import MODEL

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate")
WORDS = ("Apple", "Birch", "Cedar", "Daisy", "Elder", "Fern", "Ginger", "Hazel", "Iris", "Juniper", "Kale", "Lotus")


# --- A field hidden ----------------------------------------------------------------------------------------


@pytest.fixture
def told_apart_by_type(models_db: Any) -> None:
    """Products that share nothing but their type with those of their kind."""
    same: dict[str, Any] = {"brand": "", "description": "", "attributes": {}, "category_path": ("Things",)}
    store(
        *(
            draft(f"THING-{number}", name=word, product_type=("Mouse", "Keyboard")[number % 2], **same)
            for number, word in enumerate(WORDS)
        )
    )


@pytest.mark.usefixtures("told_apart_by_type")
def test_a_hidden_type_cannot_be_read_by_the_model() -> None:
    agreement = {
        hide: evaluate_without(stream_products(), hide=hide).metrics[MODEL]["type_agreement_at_5"]
        for hide in ("nothing", "category", "type", "both")
    }
    assert agreement["nothing"] == agreement["category"] == 1.0
    for hide in ("type", "both"):
        value = agreement[hide]
        assert value is not None
        assert value < 0.7, "what is left is chance"


@pytest.mark.usefixtures("told_apart_by_type")
@pytest.mark.parametrize("hide", ["type", "category", "both", "nothing"])
def test_the_command_says_what_was_hidden_and_stores_nothing(hide: str, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("evaluate_recommender", "--hide", hide)
    output = capsys.readouterr().out
    assert f"12 products, 12 with a type; hidden from the model: {hide}." in output
    assert MODEL in output
    assert repository.list_models() == []
    assert repository.stored_versions() == set()


def test_the_most_popular_alone_are_measured_on_demand(
    shop: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("evaluate_recommender", "--limit", "6")
    assert "6 products, 6 with a type" in capsys.readouterr().out


def test_an_empty_catalogue_is_one_line(models_db: Any) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("evaluate_recommender")
    assert "\n" not in str(refused.value)


# --- Baskets -----------------------------------------------------------------------------------------------


def sale(invoice: str, *items: str, day: str = "2011-10-01", quantity: str = "1") -> list[dict[str, str]]:
    """Return the lines of an invoice; an item is ``code description``."""
    return [
        dict(zip(COLUMNS, (invoice, *item.split(" ", 1), quantity, f"{day} 12:00:00"), strict=True)) for item in items
    ]


def written(path: Path, *sales: list[dict[str, str]]) -> Path:
    with gzip.open(path, "wt", newline="") if path.suffix == ".gz" else path.open("w", newline="") as file:
        rows = csv.DictWriter(file, COLUMNS)
        rows.writeheader()
        rows.writerows(row for lines in sales for row in lines)
    return path


def shop_of_mugs() -> list[list[dict[str, str]]]:
    """More than twenty best-sellers that are bought alone, and pairs that go together."""
    best = [f"P{number} {word} {kind}" for number, (word, kind) in enumerate((w, k) for w in WORDS for k in "XY")]
    alone = [sale(f"1{time}{number:02}", item) for number, item in enumerate(best) for time in range(5)]
    pairs = [
        sale(f"2{time}{number}", *pair)
        for number, pair in enumerate((("A1 red mug", "A2 blue mug"), ("B1 oak chair", "C1 felt cushion")))
        for time in range(2)
    ]
    return [*alone, *pairs]


def rates(output: str) -> dict[str, float]:
    """Return the printed hit rates by the first word of their ranker."""
    lines = [line.split() for line in output.splitlines() if line.startswith("  HR@20 ")]
    return {words[1].rstrip(","): float(words[-1]) for words in lines}


@pytest.mark.parametrize("name", ["sales.csv", "sales.csv.gz"])
def test_baskets_are_asked_for_their_last_item(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    later = [
        sale("30", "A1 red mug", "A2 blue mug", day="2011-11-01"),
        sale("31", "B1 oak chair", "C1 felt cushion", day="2011-11-02"),
        sale("32", "A1 red mug", day="2011-11-02"),
        sale("C33", "B1 oak chair", "A2 blue mug", day="2011-11-02"),
        sale("34", "B1 oak chair", "A2 blue mug", day="2011-11-02", quantity="-1"),
    ]
    call_command("evaluate_recommender", "--baskets", written(tmp_path / name, *shop_of_mugs(), *later))
    output = capsys.readouterr().out
    assert "28 items, 124 baskets learned from, 2 asked about" in output
    # Mugs resemble each other; chair and cushion have only been bought together; neither is a best-seller.
    assert rates(output) == {"popularity": 0.0, "text": 0.5, "bought": 1.0}


def test_the_day_that_parts_learning_from_asking_can_be_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "sales.csv", *shop_of_mugs(), sale("30", "A1 red mug", "A2 blue mug", day="2011-10-20"))
    with pytest.raises(CommandError, match="no baskets of several items both before and after 2011-11-01"):
        call_command("evaluate_recommender", "--baskets", path)
    call_command("evaluate_recommender", "--baskets", path, "--test-from", "2011-10-15")
    assert "1 asked about" in capsys.readouterr().out


def test_a_file_that_holds_no_baskets_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    for content, reason in (
        ("InvoiceNo,StockCode\n1,2\n", "lacks the columns Description, Quantity, InvoiceDate"),
        (f"{','.join(COLUMNS)}\n1,A,Mug,1,yesterday\n", "about line 2"),
    ):
        path.write_text(content)
        with pytest.raises(CommandError, match=reason):
            call_command("evaluate_recommender", "--baskets", path)
    with pytest.raises(CommandError, match="No such file"):
        call_command("evaluate_recommender", "--baskets", tmp_path / "missing.csv")
