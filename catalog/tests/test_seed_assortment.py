"""The files that products are made from: complete, and refused with a reason where they are not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from catalog.seeding.product_types import ASSORTMENT, AssortmentError, load_product_types


@pytest.fixture
def assortment(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ASSORTMENT, tmp_path / "assortment"))


def test_there_are_types_enough_for_a_shop() -> None:
    types = load_product_types()
    assert len(types) >= 100
    assert len({product_type.name for product_type in types}) == len(types)
    assert len({product_type.category_path for product_type in types}) >= 40
    assert all(len(product_type.brands) >= 4 for product_type in types)


def test_every_leaf_category_has_closing_sentences() -> None:
    assert all(len(product_type.closings) >= 3 for product_type in load_product_types())


def test_sentences_are_sentences() -> None:
    for product_type in load_product_types():
        values = [value for attribute in product_type.attributes for value in attribute.values]
        sentences = [sentence for value in values for sentence in value.sentences]
        for sentence in (*product_type.openings, *product_type.closings, *sentences):
            assert sentence.endswith("."), sentence
            assert sentence[0].isupper() or sentence[0].isdigit() or sentence.startswith("{model}"), sentence
            assert "  " not in sentence
            assert "{" not in sentence.replace("{model}", ""), sentence


def test_the_price_factors_of_a_graded_attribute_rise() -> None:
    for product_type in load_product_types():
        for attribute in product_type.attributes:
            factors = [value.factor for value in attribute.values]
            if attribute.graded:
                assert factors[0] <= factors[-1], (product_type.name, attribute.name)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"Logitech", "Microsoft", "HP", "Trust"', '"Logitec", "HP"', "no price level for Logitec"),
        ('Colour = "colour"', 'Colour = "color"', "Wireless Mouse: Colour refers to 'color'"),
        ("weights = [40, 25, 35], factors", "weights = [40, 25], factors", "2 weights for 3 values"),
        ('type = "Wireless Mouse"', 'type = "Wireless Mouse"\ncolour = "red"', "unknown ['colour']"),
        ("price = 32\n", "", "missing ['price']"),
        ('title = "{type} {Layout}, {Switches}"', 'title = "{type} {Switch}"', "['Switch'], which are no attributes"),
        ("The {model} is a wireless mouse", "This is a wireless mouse", "must name the {model}"),
        ("[[types]]", "[[types]", "accessories.toml"),
    ],
)
def test_a_mistake_in_a_file_is_named(assortment: Path, old: str, new: str, message: str) -> None:
    file = assortment / "accessories.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(AssortmentError) as caught:
        load_product_types(assortment)
    assert message in str(caught.value)


def test_a_missing_file_is_named(assortment: Path) -> None:
    (assortment / "audio.toml").unlink()
    with pytest.raises(AssortmentError, match=r"audio\.toml"):
        load_product_types(assortment)
