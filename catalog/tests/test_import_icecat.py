"""The mapping that ships for the Icecat catalogue: on rows in its form, and on the real file where it is there."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from catalog.importing.drafts import Built, DraftBuilder
from catalog.importing.formats import rows_of
from catalog.importing.lines import open_source
from catalog.importing.mapping import ImportMapping
from catalog.importing.mapping_file import read_mapping
from catalog.importing.rows import Row
from catalog.indexes import PRODUCTS

MAPPING = Path(__file__).resolve().parents[1] / "mappings" / "icecat.toml"
EVALUATION_DATA = os.environ.get("SPEEDSCALE_EVAL_DATA", "")
REAL_FILE = Path(EVALUATION_DATA) / "icecat" / "products.jsonl.gz"
REAL_PRODUCTS = 19_406
needs_real_file = pytest.mark.skipif(
    not (EVALUATION_DATA and REAL_FILE.is_file()),
    reason="SPEEDSCALE_EVAL_DATA names no folder that has icecat/products.jsonl.gz",
)


@pytest.fixture(scope="module")
def mapping() -> ImportMapping:
    return read_mapping(MAPPING)


def built(mapping: ImportMapping, **fields: Any) -> Built:
    record = {
        "id": "1001",
        "name": "QX-100",
        "title": "Acme QX-100",
        "supplier": "Acme",
        "price": 4995,
        "ean": ["4006381333931"],
        "img_500x500": "http://images.example.com/a.jpg",
        "img_high": "http://images.example.com/high.jpg",
        "date_released": "2009-12-10T00:00:00Z",
        **fields,
    }
    found = DraftBuilder(mapping).build(Row(1, 1, record))
    assert isinstance(found, Built), found
    return found


def test_a_row_becomes_a_product_with_the_stated_stock_and_price_in_cents(mapping: ImportMapping) -> None:
    draft = built(
        mapping,
        short_description=r"Fast &amp; quiet<br />with\ncable",
        attr_t_product_type="Processor",
        attr_n_processor_cores=4.0,
        attr_b_rohs_compliance=True,
        attr_n_pallet_width=800.0,
    ).draft
    assert (draft.sku, draft.name, draft.brand, draft.product_type) == ("1001", "Acme QX-100", "Acme", "Processor")
    assert (draft.price, draft.currency, draft.stock, draft.popularity) == (4995, "EUR", 10, 0)
    assert draft.description == "Fast & quiet with cable"
    assert draft.image_url == "http://images.example.com/a.jpg"
    assert draft.created_at is not None
    assert draft.created_at.year == 2009
    assert draft.attributes == {
        "Model": "QX-100",
        "EAN": "4006381333931",
        "Processor cores": 4.0,
        "RoHS compliant": True,
    }


def test_pictures_fall_back_and_types_without_a_meaning_are_dropped(mapping: ImportMapping) -> None:
    draft = built(mapping, img_500x500="", attr_t_product_type="1").draft
    assert draft.image_url == "http://images.example.com/high.jpg"
    assert draft.product_type == ""


@pytest.mark.parametrize(
    ("title", "path"),
    [
        ("Acme QX-100 toner cartridge Original Black 1 pc(s)", "Printing > Toner cartridges"),
        ("Acme 12 Original Light cyan 1 pc(s)", "Printing > Ink cartridges"),
        ("Acme JetPrint 4000dn 1200 x 1200 DPI A4", "Printing > Laser printers"),
        ("Acme 3m Cat6 Snagless Patch Cable networking cable 3 m Blue", "Cables & adapters > Network cables"),
        ("Acme 6 ft HDMI to DVI-D Cable - M/M", "Cables & adapters > Video cables"),
        ("Acme 24-Port Rack-Mount Cat6 Patch Panel", "Networking > Patch panels & sockets"),
        ("Acme 8-Port Gigabit Switch", "Networking > Switches"),
        ('Acme Envelope 15 Notebook Silver 39.6 cm (15.6") 1920 x 1080 pixels 10th gen Intel', "Computers > Notebooks"),
        ('Acme City notebook case 39.1 cm (15.4") Briefcase Black', "Accessories > Notebook bags & sleeves"),
        ("Acme KX keyboard USB QWERTY English Black", "Accessories > Keyboards"),
        ("Acme M5 mouse USB Type-A Laser 1600 DPI", "Accessories > Mice & pointing devices"),
        ("Acme 5000VA Line-Interactive UPS, Tower", "Power & racks > UPS"),
        ("Acme Labels A4 70x37 mm white paper matt 2400 pcs.", "Paper & labels > Labels"),
        ("Acme Replacement Lamp projector lamp 200 W", "Displays > Projector lamps"),
        ("Acme flat screen wall mount", "Displays > Mounts & stands"),
        ('Acme 24" LCD Monitor', "Displays > Monitors"),
        ("Acme Jigsaw puzzle 1000 pc(s)", "Home & toys > Toys"),
        ("Acme Quobble", "Other"),
    ],
)
def test_titles_lead_to_categories(mapping: ImportMapping, title: str, path: str) -> None:
    assert " > ".join(built(mapping, title=title).draft.category_path) == path


def test_descriptions_lead_to_categories_where_titles_say_nothing(mapping: ImportMapping) -> None:
    assert built(mapping, short_description="Camera lens hood").draft.category_path[0] == "Phones & cameras"


@needs_real_file
@pytest.mark.timeout(600)
def test_the_real_catalogue_is_imported_completely_and_unchanged_the_second_time(
    products_db: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for outcome in ("created", "unchanged"):
        call_command("import_products", str(REAL_FILE), "--map", str(MAPPING))
        output = capsys.readouterr().out
        (line,) = (line for line in output.splitlines() if line.startswith(f"{outcome} "))
        assert line.split() == [outcome, f"{REAL_PRODUCTS:,}"]
        assert "rejected              0" in output
    assert products_db[PRODUCTS].count_documents({"version": 1}) == REAL_PRODUCTS
    products_db.drop_collection(PRODUCTS)  # Many times faster than the next test's removal one by one.


@needs_real_file
def test_the_real_catalogue_falls_into_a_tree_that_a_shop_can_show(mapping: ImportMapping) -> None:
    builder = DraftBuilder(mapping)
    paths: Counter[tuple[str, ...]] = Counter()
    with open_source(str(REAL_FILE)) as source:
        for row in rows_of(source).rows:
            assert isinstance(row, Row)
            found = builder.build(row)
            assert isinstance(found, Built), found
            paths[tuple(found.draft.category_path)] += 1
    tops = Counter({top: 0 for top, *_ in paths})
    for path, count in paths.items():
        tops[path[0]] += count
    assert 10 <= len(tops) <= 16
    assert tops["Other"] < 0.02 * REAL_PRODUCTS
    assert max(tops.values()) < 0.3 * REAL_PRODUCTS
