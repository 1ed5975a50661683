"""The pages on which staff pins products to queries and hides them, with a preview of what shoppers will see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from catalog.contexts.pins import Material, Told, build_pin_form, build_pinned_queries
from catalog.contexts.searches import pin_url
from catalog.curations import CURATIONS, MAX_HIDES, MAX_PINS, Curation, CurationConflict, list_curations
from catalog.errors import CatalogUnavailable, InvalidFields, InvalidParameter, NotAcknowledged
from catalog.products import Product, is_product_id
from catalog.search.request import SearchRequest, normalise_query
from catalog.services.curating import find_curated_page
from catalog.services.curation_editing import decide_curation, open_curation, products_of
from catalog.services.found import Page
from catalog.services.staff_lists import find_by_code, list_active
from catalog.staff_log import list_changes
from catalog.views.pages import HtmxHttpRequest, page_response, wants_fragment
from catalog.views.staff import NOT_SAVED, staff_only
from catalog.views.staff_synonyms import LATER

_OFFERED = 8
_CONFLICT = (
    "Somebody else has changed the pins of this query. What is stored now is shown below as “now”; yours is not saved: "
    "save again to put it in its place."
)


@require_safe
@staff_only
def pins(request: HttpRequest) -> HttpResponse:
    """List the queries with pins or hides, and ask for another one."""
    return page_response(request, "staff/pins.html", {"rows": build_pinned_queries(list_curations())})


@require_http_methods(["GET", "HEAD", "POST"])
@staff_only
def pin(request: HtmxHttpRequest) -> HttpResponse:
    """Show the pins and hides of a query; try out changes, and save them."""
    if not normalise_query(request.GET.get("q", ""), field="q"):
        return redirect("staff:pins")
    stored = open_curation(query=request.GET["q"])
    if request.method != "POST":
        return _form(request, stored, stored)
    draft = replace(stored, pins=_ids(request, "pin"), hides=_ids(request, "hide"), version=_version(request))
    action, _, product_id = request.POST.get("action", "").partition(":")
    if action != "save":
        moved, told = _moved(draft, action, product_id)
        return _form(request, moved, stored, told)
    try:
        decided = decide_curation(
            query=stored.query,
            pins=draft.pins,
            hides=draft.hides,
            expected_version=draft.version,
            by=request.user.get_username(),
        )
    except CurationConflict as conflict:
        mine = replace(draft, version=conflict.stored.version)
        return _form(request, mine, conflict.stored, Told(notice=_CONFLICT), status=409)
    except InvalidFields as error:
        return _form(request, draft, stored, Told(problem=" ".join(error.reasons.values())), status=400)
    except NotAcknowledged:
        return _form(request, draft, stored, Told(notice=NOT_SAVED), status=503)
    messages.success(request, f"Saved for “{stored.query}”. Shoppers see it at once.")
    if not decided.caches_told:
        messages.warning(request, LATER)
    return redirect(pin_url(stored.query))


def _moved(draft: Curation, action: str, product_id: str) -> tuple[Curation, Told]:
    """Return the draft after a button; one that makes no sense changes nothing."""
    if not is_product_id(product_id):
        return draft, Told(focus="pin-words" if action == "find" else "")
    order, hidden = list(draft.pins), [each for each in draft.hides if each != product_id]
    place = order.index(product_id) if product_id in order else -1
    rest = [each for each in order if each != product_id]
    match action:
        case "pin" if place < 0 and len(order) >= MAX_PINS:
            return draft, Told(problem=f"At most {MAX_PINS} products can be pinned.")
        case "pin":
            order, focus, said = [*rest, product_id], f"unpin-{product_id}", "Pinned."
        case "unpin":
            order, focus, said = rest, "pin-status", "Not pinned any more."
        case "up" | "down" if place >= 0:
            order = rest
            order.insert(max(place - 1, 0) if action == "up" else place + 1, product_id)
            now = order.index(product_id)
            at_end = now == 0 if action == "up" else now == len(order) - 1
            focus = f"unpin-{product_id}" if at_end else f"{action}-{product_id}"
            said = f"Now at place {now + 1}."
        case "hide" if len(draft.hides) >= MAX_HIDES:
            return draft, Told(problem=f"At most {MAX_HIDES} products can be hidden.")
        case "hide":
            order, hidden, focus, said = rest, [*hidden, product_id], f"unhide-{product_id}", "Hidden."
        case "unhide":
            focus, said = "pin-status", "Not hidden any more."
        case _:
            return draft, Told()
    told = Told(status=f"{said} Not saved yet.", focus=focus)
    return replace(draft, pins=tuple(order), hides=tuple(hidden)), told


def _form(
    request: HtmxHttpRequest, draft: Curation, stored: Curation, told: Told | None = None, *, status: int = 200
) -> HttpResponse:
    words = request.POST.get("words", "")[:100].strip()
    try:
        offered = _offered(words, draft) if words else None
    except InvalidParameter:
        offered = []
    material = Material(
        products=products_of([*draft.pins, *draft.hides]),
        history=list_changes(subject=CURATIONS, key=stored.key),
        words=words,
        offered=offered,
        pages=_pages(stored, draft),
    )
    page = build_pin_form(draft, stored, material, told or Told())
    template = "staff/_pin_form.html" if wants_fragment(request) else "staff/pin.html"
    return page_response(request, template, {"page": page}, status=status)


def _pages(stored: Curation, draft: Curation) -> tuple[Page, Page] | None:
    request = SearchRequest(query=stored.query)
    try:
        return find_curated_page(request, draft=stored).page, find_curated_page(request, draft=draft).page
    except CatalogUnavailable:
        return None


def _offered(words: str, draft: Curation) -> Sequence[Product]:
    """Return products to choose from: that of an article number, and those with these words."""
    exact = find_by_code(code=words)
    query = normalise_query(words, field="words")
    found = list_active(request=SearchRequest(query=query)).products if query else ()
    listed = [*([exact] if exact is not None else []), *found]
    chosen = {*draft.pins, *draft.hides}
    return list({each.id: each for each in listed if each.id not in chosen}.values())[:_OFFERED]


def _ids(request: HttpRequest, field: str) -> tuple[str, ...]:
    sent = request.POST.getlist(field)[: MAX_HIDES + 1]
    return tuple(dict.fromkeys(each for each in sent if is_product_id(each)))


def _version(request: HttpRequest) -> int:
    told = request.POST.get("version", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) <= 9 else 0
