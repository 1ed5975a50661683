"""Mappings: what a file and options may say, and one line for whatever they may not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import InvalidProduct
from catalog.importing.attributes import AttributeReader, AttributeRules
from catalog.importing.drafts import Built, DraftBuilder
from catalog.importing.errors import InvalidMapping
from catalog.importing.mapping import TARGETS, ImportMapping
from catalog.importing.mapping_file import mapping_from_options, parse_mapping, read_mapping
from catalog.importing.rows import Rejection, Row
from catalog.importing.sources import FieldSource, lookup

RECORD = {"sku": "A-1", "name": "Mouse", "price": 29.99, "currency": "EUR", "category": "Mice", "stock": 3}


def built(mapping: ImportMapping, **fields: object) -> Built:
    row = {key: value for key, value in {**RECORD, **fields}.items() if value is not ...}
    found = DraftBuilder(mapping).build(Row(1, 1, row))
    assert isinstance(found, Built), found
    return found


def rejected(mapping: ImportMapping, **fields: object) -> Rejection:
    row = {key: value for key, value in {**RECORD, **fields}.items() if value is not ...}
    found = DraftBuilder(mapping).build(Row(1, 1, row))
    assert isinstance(found, Rejection), found
    return found


def mapping_of(toml: str) -> ImportMapping:
    return parse_mapping(toml, name="feed.toml")


# --- Sources -------------------------------------------------------------------------------------------------


def test_a_source_is_a_field_a_path_or_a_template() -> None:
    record = {"a.b": 1, "a": {"b": 2, "c": ["x", {"y": "z"}]}, "t": "T"}
    values = [FieldSource.parse(text).value(record) for text in ("t", "a.b", "a.c.1.y", "{t}-{a.b}", "{t}{gone}")]
    assert values == ["T", 1, "z", "T-1", "T"]


def test_a_template_without_any_of_its_fields_is_nothing() -> None:
    assert FieldSource.parse("{gone} and {away}").value({"t": 1}) is None


@pytest.mark.parametrize("path", ["gone", "a.gone", "a.c.9", "a.c.x", "a.b.c", "a.c.-1", ".", "a."])
def test_a_path_to_nothing_is_nothing(path: str) -> None:
    assert lookup({"a": {"b": 2, "c": ["x"]}}, path) is None


@pytest.mark.parametrize("text", ["", "  ", "{", "a}b", "{}", "{a}{", "{ }"])
def test_a_source_that_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(InvalidMapping):
        FieldSource.parse(text)


def test_the_first_source_with_a_value_wins() -> None:
    mapping = mapping_of('[fields]\nbrand = ["maker", "vendor"]')
    assert built(mapping, maker=" ", vendor="Logitech").draft.brand == "Logitech"
    assert built(mapping, maker="HP", vendor="Logitech").draft.brand == "HP"


def test_fields_that_a_mapping_does_not_mention_keep_their_own_names() -> None:
    assert built(mapping_of('[fields]\nname = "title"'), title="Keyboard").draft.sku == "A-1"


def test_an_empty_list_of_sources_takes_a_field_from_nowhere() -> None:
    draft = built(mapping_of("[fields]\nrating = []"), rating="not a rating").draft
    assert draft.rating == 0
    assert draft.attributes == {"Rating": "not a rating"}


def test_every_field_of_a_product_can_be_mapped() -> None:
    for target in TARGETS:
        assert mapping_from_options([f"{target}=x"], []).sources[target] == (FieldSource.parse("x"),)


# --- Options -------------------------------------------------------------------------------------------------


def test_pairs_win_over_the_file_and_later_pairs_over_earlier_ones(tmp_path: Path) -> None:
    path = tmp_path / "feed.toml"
    path.write_text('[fields]\nname = "title"\nbrand = "maker"\n')
    mapping = mapping_from_options(["name=first", str(path), "name=second"], [])
    assert mapping.sources["name"][0].template == "second"
    assert mapping.sources["brand"][0].template == "maker"


def test_category_is_short_for_the_category_path() -> None:
    assert mapping_from_options(["category=department"], []).sources["category_path"][0].template == "department"


def test_defaults_of_the_command_line_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "feed.toml"
    path.write_text("[defaults]\nstock = 1\n")
    mapping = mapping_from_options([str(path)], ["stock=7", "category=Office > Pens"])
    draft = built(mapping, stock=..., category=...).draft
    assert (draft.stock, draft.category_path) == (7, ("Office", "Pens"))


@pytest.mark.parametrize(
    ("maps", "defaults", "message"),
    [
        (["titel=title"], [], "--map: 'titel' is not a field of a product; the fields are sku, name"),
        (["name="], [], "--map name: '' names no field"),
        (["=title"], [], "--map '=title' is not a mapping file or field=source"),
        (["missing.toml"], [], "The mapping missing.toml cannot be read: No such file or directory"),
        (["nothing"], [], "The mapping nothing cannot be read"),
        (["a.toml", "b.toml"], [], "--map: give one mapping file, not 2"),
        ([], ["stock"], "--default 'stock' is not field=value"),
        ([], ["stock=many"], "--default stock: 'many' is not a whole number"),
        ([], ["sku=1"], "--default sku: there can be no sku for all products"),
        ([], ["created_at=today"], "--default created_at: 'today' is not a time"),
        ([], ["category=>"], "--default category must be a path of 1 to 6 names"),
    ],
)
def test_an_option_without_a_meaning_is_refused_in_one_line(maps: list[str], defaults: list[str], message: str) -> None:
    with pytest.raises(InvalidMapping) as caught:
        mapping_from_options(maps, defaults)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


# --- Mapping files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[feilds]", "feed.toml has no key 'feilds'; did you mean 'fields'?"),
        ("xyz = 1", "feed.toml has no key 'xyz'; it may hold fields, defaults"),
        ('fields = "x"', "feed.toml: [fields] must be a table"),
        ("[fields]\nname = 1", "feed.toml: [fields] name must be the name of a field or a list of names"),
        ('[fields]\nnome = "x"', "feed.toml: [fields]: 'nome' is not a field of a product"),
        ('[fields]\nname = "{x"', "feed.toml: [fields] name: '{x' names no field"),
        ("[defaults]\nstock = [1]", "feed.toml: [defaults] stock must be a single value"),
        ("[defaults]\nstock = 1.5", "feed.toml: [defaults] stock: '1.5' is not a whole number"),
        ("[price]\nminor = 1", "feed.toml: [price] minor must be true or false"),
        ("[price]\nminro = true", "feed.toml: [price] has no key 'minro'; did you mean 'minor'?"),
        ('[price]\ndecimal = ";"', "feed.toml: [price] decimal must be one of"),
        ("[category]\nseparator = 1", "feed.toml: [category] separator must be a text or a list of texts"),
        ('[category]\nfallback = "a>b>c>d>e>f>g"', "feed.toml: [category] fallback must be a path of 1 to 6 names"),
        ('[[category.rules]]\nfield = "t"', "feed.toml: [category.rules] needs a field to look at"),
        ('[[category.rules]]\npaths = [["A", "x"]]', "feed.toml: [category.rules] needs a field to look at"),
        ('[[category.rules]]\nfield = "t"\npaths = [["A"]]', "feed.toml: [category.rules] 'A' has no pattern"),
        ('[[category.rules]]\nfield = "t"\npaths = [["A", "("]]', "feed.toml: [category.rules] 'A': '(' is no regular"),
        (
            '[[category.rules]]\nfield = "t"\npaths = ["A"]',
            "feed.toml: [category.rules] paths must hold lists of texts",
        ),
        ('[text]\nreplace = [["a"]]', "feed.toml: [text] replace must hold pairs"),
        ('[text]\nreplace = [["", "b"]]', "feed.toml: [text] replace must hold pairs"),
        ('[empty]\nbrnad = "x"', "feed.toml: [empty]: 'brnad' is not a field of a product"),
        (
            '[attributes]\nlong_text = "keep"',
            "feed.toml: [attributes] long_text must be one of 'reject', 'cut', 'drop'",
        ),
        ('[attributes.prefixes]\na_ = "integer"', "feed.toml: [attributes] prefixes: 'a_' must be one of any, text"),
        ('[attributes.labels]\na = "b.c"', "feed.toml: [attributes] 'b.c': names of attributes have no full stop"),
        ("[attributes.words]\nusb = 1", "feed.toml: [attributes] words: 'usb' must be a text"),
        ("not toml", "feed.toml is not TOML: "),
        ("a = " + "[" * 5000, "feed.toml is not TOML: "),
    ],
)
def test_a_mapping_file_without_a_meaning_is_refused_in_one_line(toml: str, message: str) -> None:
    with pytest.raises(InvalidMapping) as caught:
        mapping_of(toml)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_mapping_that_is_no_text_or_far_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "feed.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidMapping, match="is not UTF-8 text"):
        read_mapping(path)
    path.write_bytes(b"#" * 2_000_000)
    with pytest.raises(InvalidMapping, match="is larger than"):
        read_mapping(path)


@given(st.text(max_size=200))
def test_any_text_is_a_mapping_or_refused(text: str) -> None:
    try:
        mapping = mapping_of(text)
    except InvalidMapping as error:
        assert str(error).startswith("feed.toml")
    else:
        assert set(mapping.sources) == set(TARGETS)


def test_the_mapping_files_of_the_documentation_are_read() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "importing.md").read_text()
    examples = re.findall(r"^```toml\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)
    mapping = mapping_of("\n".join(examples))
    assert len(examples) == 2
    assert built(mapping, code="A", maker="Acme", model="X", price="1.299", rating="AAA").draft.price == 129900
    assert mapping.category.fallback == ("Other",)


# --- What rows become ----------------------------------------------------------------------------------------


def test_stock_that_neither_file_nor_mapping_states_is_never_invented() -> None:
    found = rejected(ImportMapping(), stock=...)
    assert found.field == "stock"
    assert found.reason == (
        "is missing (looked for stock); name a field (--map stock=FIELD) or state a number for all (--default stock=0)"
    )
    assert built(mapping_of("[defaults]\nstock = 5"), stock=...).draft.stock == 5
    assert built(mapping_of("[defaults]\nstock = 5"), stock=0).draft.stock == 0


@pytest.mark.parametrize("field", ["sku", "name", "price", "currency", "category"])
def test_other_fields_that_have_to_be_there_are_asked_for_by_name(field: str) -> None:
    found = rejected(ImportMapping(), **{field: ...})
    assert found.field == field
    assert f"--map {field}=FIELD" in found.reason


def test_a_value_that_is_wrong_is_not_replaced_by_the_default() -> None:
    assert rejected(mapping_of("[defaults]\nstock = 5"), stock="many").field == "stock"


def test_prices_in_cents_are_taken_as_they_are() -> None:
    assert built(mapping_of("[price]\nminor = true"), price=4995).draft.price == 4995
    assert rejected(mapping_of("[price]\nminor = true"), price=49.95).field == "price"


def test_the_decimal_mark_of_the_mapping_settles_what_is_ambiguous() -> None:
    assert rejected(ImportMapping(), price="1.299").field == "price"
    assert built(mapping_of('[price]\ndecimal = ","'), price="1.299").draft.price == 129900


def test_a_currency_is_taken_from_the_field_the_default_or_the_price() -> None:
    assert built(ImportMapping(), currency=..., price="49.90 CHF").draft.currency == "CHF"
    assert built(mapping_of('[defaults]\ncurrency = "usd"'), currency=..., price="$5").draft.currency == "USD"
    assert rejected(ImportMapping(), currency="EUR", price="£5").reason == "'£5' is not in EUR"


@pytest.mark.parametrize(
    ("toml", "category", "path"),
    [
        ("", "Accessories > Mice", ("Accessories", "Mice")),
        ("", "Input/Output", ("Input/Output",)),
        ('[category]\nseparator = "/"', "Accessories / Mice", ("Accessories", "Mice")),
        ('[category]\nseparator = [">", "|"]', "A > B | C", ("A", "B", "C")),
        ("", "A >  > B", ("A", "B")),
        ("", ["Accessories", " ", "Mice"], ("Accessories", "Mice")),
    ],
)
def test_categories_are_cut_at_the_separator_or_taken_from_a_list(toml: str, category: object, path: object) -> None:
    assert built(mapping_of(toml), category=category).draft.category_path == path


def test_category_rules_are_tried_in_order_field_by_field_and_then_the_fallback() -> None:
    mapping = mapping_of(
        """
        [category]
        fallback = "Other"
        [[category.rules]]
        field = ["kind", "name"]
        paths = [["Cables", 'cable'], ["Input > Mice", 'mouse', 'trackball']]
        """
    )

    def path(**fields: object) -> object:
        return built(mapping, category=..., **fields).draft.category_path

    assert path(name="Mouse cable") == ("Cables",)
    assert path(name="Mouse cable", kind="TRACKBALL") == ("Input", "Mice")
    assert path(name="Screen") == ("Other",)
    assert path(name="Screen", kind=["cable"]) == ("Other",)


def test_category_rules_can_mind_the_case() -> None:
    toml = '[[category.rules]]\nfield = "name"\nignore_case = false\npaths = [["Mice", "mouse"]]'
    assert built(mapping_of(toml), category=..., name="a mouse").draft.category_path == ("Mice",)
    assert rejected(mapping_of(toml), category=..., name="A MOUSE").field == "category"


def test_a_category_that_the_file_states_wins_over_the_rules() -> None:
    toml = '[[category.rules]]\nfield = "name"\npaths = [["Mice", "."]]'
    assert built(mapping_of(toml), category="Office").draft.category_path == ("Office",)


def test_texts_that_say_nothing_count_as_empty() -> None:
    mapping = mapping_of('[empty]\nbrand = ["n/a", "-"]\n[defaults]\nbrand = "Unknown"')
    assert built(mapping, brand=" N/A ").draft.brand == "Unknown"
    assert built(mapping, brand="HP").draft.brand == "HP"


def test_json_of_our_own_api_needs_no_mapping() -> None:
    draft = built(
        ImportMapping(),
        _id="507f1f77bcf86cd799439011",
        brand="Logitech",
        category="Mice",
        categoryPath=["Accessories", "Mice"],
        productType="Mouse",
        inStock=True,
        rating=4.5,
        ratingCount=12,
        attributes={"Colour": "Black", "Buttons": 5, "Wireless": True},
        imageUrl="/pictures/mouse/logitech.svg?v=1",
        createdAt="2024-05-31T12:00:00+00:00",
        updatedAt="2024-06-01T12:00:00+00:00",
        version=3,
        score=0.9,
        reason="both are mice",
    ).draft
    assert draft.category_path == ("Accessories", "Mice")
    assert (draft.product_type, draft.rating, draft.rating_count, draft.price) == ("Mouse", 4.5, 12, 2999)
    assert draft.attributes == {"Colour": "Black", "Buttons": 5, "Wireless": True}
    assert draft.image_url == ""
    assert draft.created_at is not None
    assert draft.created_at.year == 2024


# --- Attributes ----------------------------------------------------------------------------------------------


def attributes_of(record: dict[str, object], own: object = None, **rules: object) -> dict[str, object]:
    return dict(AttributeReader(AttributeRules(**rules)).read(record, own).values)  # type: ignore[arg-type]


def test_unknown_fields_become_attributes_with_readable_names() -> None:
    record = {
        "attr_t_product_colour": "Black",
        "attr_b_wi_fi": True,
        "attr_n_usb_ports": 2.0,
        "Battery Life": "10 h",
        "ean": ["1", "2"],
        "size": {"width": 10, "max.height": 5},
        "nothing": "",
        "null": None,
    }
    rules = {
        "prefixes": {"attr_t_": "text", "attr_b_": "boolean", "attr_n_": "number"},
        "labels": {"ean": "EAN"},
        "words": {"wi": "Wi", "usb": "USB"},
    }
    assert attributes_of(record, **rules) == {
        "Product colour": "Black",
        "Wi fi": True,
        "USB ports": 2.0,
        "Battery Life": "10 h",
        "EAN": "1, 2",
        "Size Width": 10,
        "Size Max height": 5,
    }


def test_prefixes_promise_types_and_what_breaks_the_promise_stays_text() -> None:
    rules = {"prefixes": {"b_": "boolean", "n_": "number", "t_": "text"}}
    record: dict[str, object] = {"b_a": "yes", "b_b": "maybe", "n_c": "4,5", "n_d": "about 4", "t_e": 5, "t_f": True}
    assert attributes_of(record, **rules) == {"A": True, "B": "maybe", "C": 4.5, "D": "about 4", "E": "5", "F": "True"}


def test_fields_can_be_ignored_by_pattern_or_altogether() -> None:
    assert attributes_of({"img_1": "x", "keep": "y"}, ignored=("img_*",)) == {"Keep": "y"}
    assert attributes_of({"a": "x"}, unknown=False) == {}
    assert attributes_of({}, {"Own": "x"}, unknown=False) == {"Own": "x"}


def test_two_fields_of_one_name_are_both_kept() -> None:
    assert attributes_of({"t_weight": "5 kg", "n_weight": 5}, prefixes={"t_": "any", "n_": "any"}) == {
        "Weight": "5 kg",
        "Weight (2)": 5,
    }


@pytest.mark.parametrize(("long_text", "value"), [("cut", "x" * 1999 + "…"), ("drop", None)])
def test_long_texts_are_shortened_only_where_the_mapping_says_so(long_text: str, value: object) -> None:
    found = AttributeReader(AttributeRules(long_text=long_text)).read({"manual": "x" * 3000})  # type: ignore[arg-type]
    assert found.values.get("Manual") == value
    assert found.shortened == ["Manual"]
    with pytest.raises(
        InvalidProduct, match=r'3,000 characters, more than 2,000; ignore it, or state .* long_text = "cut"'
    ):
        AttributeReader(AttributeRules()).read({"manual": "x" * 3000})


@pytest.mark.parametrize("value", [{"a": {"b": 1}}, [[1]], [{"name": "Colour"}], {"a": [{}, {"b": 1}]}])
def test_what_is_nested_too_deeply_says_what_to_do(value: object) -> None:
    with pytest.raises(InvalidProduct, match="is nested too deeply; ignore it, or map a value of it with a dot"):
        attributes_of({"size": value})


def test_too_many_attributes_are_refused_early_even_if_all_have_one_name() -> None:
    record: dict[str, object] = {f"a{'_' * number}": 1 for number in range(1000)}
    with pytest.raises(InvalidProduct, match="are more than 400; ignore some of the fields"):
        attributes_of(record)


def test_html_and_replacements_apply_to_attributes_too() -> None:
    mapping = mapping_of("[text]\nhtml = true\nreplace = [['\\n', ' ']]")
    assert built(mapping, ports=r"<b>HDMI</b>\nUSB &amp; more").draft.attributes == {"Ports": "HDMI USB & more"}


def test_formulas_are_text_and_stay_as_they_are() -> None:
    formula = "=cmd|' /C calc'!A0"
    draft = built(ImportMapping(), name=formula, note="@SUM(1+1)*cmd", brand="+49").draft
    assert (draft.name, draft.brand, draft.attributes) == (formula, "+49", {"Note": "@SUM(1+1)*cmd"})


ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*TARGETS, "category", "x", "attr_n_y", "$where", "a.b", ""]), ANY_VALUE))
def test_any_row_is_a_draft_that_can_be_stored_or_a_rejection_with_a_reason(fields: dict[str, object]) -> None:
    for row in ({**RECORD, **fields}, fields):
        found = DraftBuilder(ImportMapping()).build(Row(1, 1, row))
        assert isinstance(found, Built) or found.reason
