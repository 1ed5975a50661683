"""The pages on which staff looks after products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from catalog.contexts.cards import Picture, picture_of
from catalog.contexts.facets import Crumb
from catalog.contexts.formatting import format_date, format_price
from catalog.documents import MAX_ATTRIBUTE_NAME, MAX_ATTRIBUTE_TEXT, MAX_ATTRIBUTES, MAX_TEXT
from catalog.products import Product
from catalog.representation import drawn_picture_path, product_json
from catalog.services.staff_lists import StaffList

_EMPTY_ROWS = 3
_MORE_ROWS = 5


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A field of the form: ``kind`` is ``line``, ``text`` or ``fixed``; ``keyboard`` is what a phone offers."""

    name: str
    label: str
    help: str
    longest: int
    kind: str = "line"
    keyboard: str = "text"
    required: bool = False
    wide: bool = False


_SPECS = (
    FieldSpec("name", "Name", "As shoppers read it.", MAX_TEXT["name"], required=True, wide=True),
    FieldSpec("sku", "Article number", "The shop's own; it never changes.", MAX_TEXT["sku"], required=True),
    FieldSpec("brand", "Brand", "Empty where there is none.", MAX_TEXT["brand"]),
    FieldSpec(
        "category",
        "Category",
        "From the top down, with > between the levels, such as Accessories > Mice.",
        620,
        required=True,
    ),
    FieldSpec("product_type", "Type", "What it is, in the singular, such as Keyboard.", MAX_TEXT["product_type"]),
    FieldSpec(
        "price", "Price", "With a point before the decimals, such as 49.90.", 20, keyboard="decimal", required=True
    ),
    FieldSpec("currency", "Currency", "Three letters, such as EUR.", 3, required=True),
    FieldSpec("stock", "Stock", "Pieces on hand; 0 is sold out.", 10, keyboard="numeric", required=True),
    FieldSpec(
        "popularity",
        "Rank",
        "A whole number; products of a higher one come first.",
        10,
        keyboard="numeric",
        required=True,
    ),
    FieldSpec(
        "image_url", "Picture", "Address of a picture, or empty: then one is drawn.", MAX_TEXT["image_url"], wide=True
    ),
    FieldSpec(
        "description",
        "Description",
        "An empty line begins a new paragraph.",
        MAX_TEXT["description"],
        kind="text",
        wide=True,
    ),
)
LABELS = {spec.name: spec.label for spec in _SPECS} | {
    "attributes": "Details",
    "active": "In the shop",
    "category_path": "Category",
    "rating": "Rating",
    "rating_count": "Number of ratings",
}


@dataclass(frozen=True, slots=True)
class FormField:
    """A field with what is in it; ``problem`` says what is wrong, or is empty."""

    spec: FieldSpec
    value: str
    problem: str


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """A name and a value to type; ``is_first_new`` is where an added block of rows begins."""

    number: int
    name: str
    value: str
    is_first_new: bool = False


@dataclass(frozen=True, slots=True)
class AttributeRows:
    """The list of attributes."""

    rows: tuple[AttributeRow, ...]
    problem: str
    longest_name: int = MAX_ATTRIBUTE_NAME
    longest_value: int = MAX_ATTRIBUTE_TEXT


@dataclass(frozen=True, slots=True)
class ProductForm:
    """Everything the form of a product shows.

    Attributes:
        version: the version that was read; 0 for a new product.
        problems: label, what is wrong, and id of the field, for the list at the top.
        shop_url: the page that shoppers see; empty where there is none.
        status_url: deactivates or reactivates; empty for a new product.
        notice: what went wrong with the whole, or empty.
    """

    title: str
    version: int
    active: bool
    fields: tuple[FormField, ...]
    attributes: AttributeRows
    problems: tuple[tuple[str, str, str], ...]
    picture: str
    crumbs: tuple[Crumb, ...]
    shop_url: str
    status_url: str
    notice: str


@dataclass(frozen=True, slots=True)
class ListedProduct:
    """A line of the list."""

    name: str
    sku: str
    category: str
    price: str
    stock: str
    active: bool
    changed: str
    url: str


@dataclass(frozen=True, slots=True)
class ProductList:
    """A page of the list of products; ``exact`` holds the one whose sku or id was asked for."""

    query: str
    inactive: bool
    products: tuple[ListedProduct, ...]
    exact: tuple[ListedProduct, ...]
    next_url: str
    first_url: str
    explanation: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A field in both versions."""

    label: str
    stored: str
    sent: str
    differs: bool


@dataclass(frozen=True, slots=True)
class Conflict:
    """Both versions of a product, and the form that writes the second over the first.

    Attributes:
        hidden: everything that was typed, as pairs of name and value.
        stored_version: what is written over.
    """

    title: str
    crumbs: tuple[Crumb, ...]
    differences: tuple[Difference, ...]
    hidden: tuple[tuple[str, str], ...]
    stored_version: int
    sent_version: int
    changed: str
    edit_url: str


@dataclass(frozen=True, slots=True)
class StatusPage:
    """The question before a product leaves the shop or comes back."""

    name: str
    sku: str
    active: bool
    version: int
    crumbs: tuple[Crumb, ...]
    edit_url: str
    picture: Picture
    notice: str


def staff_crumbs(*more: tuple[str, str]) -> tuple[Crumb, ...]:
    """Return the way to a staff page."""
    return (Crumb("Staff", reverse("staff:products")), *(Crumb(label, url) for label, url in more))


def edit_url(product_id: str) -> str:
    """Return the address of the form of a product."""
    return reverse("staff:edit", args=[product_id])


def build_product_form(
    texts: Mapping[str, str],
    rows: Sequence[tuple[str, str]],
    *,
    version: int,
    product_id: str = "",
    active: bool = True,
    reasons: Mapping[str, str] | None = None,
    more_rows: bool = False,
    notice: str = "",
) -> ProductForm:
    """Prepare the form of a product, new where ``product_id`` is empty.

    Args:
        texts: what is in the fields, by name.
        rows: names and values of attributes.
        version: the version that was read.
        active: whether shoppers see it.
        reasons: what is wrong, by field.
        more_rows: whether to add empty rows for attributes.
        notice: what went wrong with the whole.
    """
    wrong = dict(reasons or {})
    title = texts["name"] or ("New product" if not product_id else "Product without a name")
    return ProductForm(
        title=title,
        version=version,
        active=active,
        fields=tuple(FormField(spec, texts[spec.name], wrong.get(spec.name, "")) for spec in _SPECS),
        attributes=build_attribute_rows(rows, problem=wrong.get("attributes", ""), more=more_rows),
        problems=tuple((LABELS.get(name, name), reason, f"field-{name}") for name, reason in wrong.items()),
        picture=preview_path(texts),
        crumbs=staff_crumbs((title if product_id else "New product", "")),
        shop_url=reverse("catalog:product", args=[product_id]) if product_id and active else "",
        status_url=reverse("staff:status", args=[product_id]) if product_id else "",
        notice=notice,
    )


def build_attribute_rows(rows: Sequence[tuple[str, str]], *, problem: str, more: bool) -> AttributeRows:
    """Prepare the list of attributes with empty rows at its end, more of them where ``more`` were asked for."""
    used = [row for row in rows if row[0] or row[1]]
    empty = min(_MORE_ROWS if more else _EMPTY_ROWS, max(MAX_ATTRIBUTES - len(used), 1))
    listed = [*used, *[("", "")] * empty]
    return AttributeRows(
        rows=tuple(
            AttributeRow(number, name, value, is_first_new=more and number == len(used) + 1)
            for number, (name, value) in enumerate(listed, start=1)
        ),
        problem=problem,
    )


def preview_path(texts: Mapping[str, str]) -> str:
    """Return the address of the picture that is drawn for what is in the form."""
    kind = texts["product_type"] or texts["category"].rpartition(">")[2].strip() or "product"
    return drawn_picture_path(kind=kind, brand=texts["brand"])


def build_product_list(
    found: StaffList, *, query: str, inactive: bool, exact: Product | None, is_first: bool
) -> ProductList:
    """Prepare a page of the list of products."""
    given = {name: value for name, value in (("q", query), ("show", "inactive" if inactive else "")) if value}
    path = reverse("staff:products")
    first_url = f"{path}?{urlencode(given)}" if given else path
    next_url = f"{path}?{urlencode({**given, 'after': found.next_page})}" if found.next_page else ""
    listed = tuple(_listed(product) for product in found.products if exact is None or product.id != exact.id)
    what = "were taken down" if inactive else "match" if query else "are in the catalogue"
    return ProductList(
        query=query,
        inactive=inactive,
        products=listed,
        exact=(_listed(exact),) if exact is not None else (),
        next_url=next_url,
        first_url="" if is_first else first_url,
        explanation="" if listed or exact is not None else f"No products {what}.",
    )


def build_conflict(
    product: Product,
    stored: Mapping[str, str],
    sent: Mapping[str, str],
    *,
    rows: Sequence[tuple[str, str]],
    sent_version: int,
) -> Conflict:
    """Prepare both versions, field by field.

    Args:
        product: what is stored.
        stored: its fields as texts, with ``attributes`` as one text.
        sent: the same of what the editor sent.
        rows: the attributes that the editor sent.
        sent_version: the version that the editor had read.
    """
    names = [*(spec.name for spec in _SPECS), "attributes"]
    hidden = [(name, text) for name, text in sent.items() if name != "attributes"]
    for name, value in rows:
        hidden += [("attribute_name", name), ("attribute_value", value)]
    return Conflict(
        title=product.name,
        crumbs=staff_crumbs((product.name, edit_url(product.id)), ("Conflict", "")),
        differences=tuple(
            Difference(LABELS[name], stored[name], sent[name], differs=stored[name] != sent[name]) for name in names
        ),
        hidden=tuple(hidden),
        stored_version=product.version,
        sent_version=sent_version,
        changed=_moment(product),
        edit_url=edit_url(product.id),
    )


def build_status_page(product: Product, *, notice: str = "") -> StatusPage:
    """Prepare the question whether to take a product down, or to bring it back."""
    step = "Take out of the shop" if product.active else "Bring back into the shop"
    return StatusPage(
        name=product.name,
        sku=product.sku,
        active=product.active,
        version=product.version,
        crumbs=staff_crumbs((product.name, edit_url(product.id)), (step, "")),
        edit_url=edit_url(product.id),
        picture=picture_of(product_json(product)),
        notice=notice,
    )


def labels_of(fields: Sequence[str]) -> str:
    """Return the labels of fields as one text, such as ``price, stock``."""
    return ", ".join(LABELS.get(name, name).lower() for name in fields)


def _listed(product: Product) -> ListedProduct:
    shown = product_json(product)
    return ListedProduct(
        name=product.name,
        sku=product.sku,
        category=" > ".join(product.category_path),
        price=format_price(shown["price"], shown["currency"]),
        stock=f"{product.stock:,}",
        active=product.active,
        changed=_moment(product),
        url=edit_url(product.id),
    )


def _moment(product: Product) -> str:
    return f"{format_date(product.updated_at.isoformat())}, {product.updated_at:%H:%M} UTC"
