"""The pages on which staff creates, edits and takes down products."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from cachelayer.trace import current_trace
from catalog import repository
from catalog.contexts.staff import (
    build_conflict,
    build_product_form,
    build_product_list,
    build_status_page,
    edit_url,
    labels_of,
)
from catalog.documents import ProductDraft, invalid_fields
from catalog.errors import CatalogUnavailable, EditConflict, InvalidFields
from catalog.money import shop_currency
from catalog.products import Product
from catalog.search.request import parse_search_request
from catalog.services.editing import Edited, change_product, create_product, deactivate_product, reactivate_product
from catalog.services.staff_lists import find_by_code, list_active, list_inactive
from catalog.views.pages import HtmxHttpRequest, page_response, wants_fragment
from catalog.views.typed import Typed, empty_form, meaning_of, read_form, typed_of

View = Callable[..., HttpResponse]
NOT_SAVED = (
    "MongoDB did not acknowledge this in time, so it is not known whether it was saved. Nothing that you "
    "typed is lost: save again; if it was saved after all, you will be shown both versions."
)


def staff_only(view: View) -> View:
    """Let staff in, send strangers to sign in, refuse everybody else; no answer is kept by any cache.

    What staff does is left out of the telemetry, whose dashboard everybody may see.
    """

    @wraps(view)
    def guarded(request: HtmxHttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        trace = current_trace()
        if trace is not None:
            trace.recorded = False
        if not request.user.is_authenticated and request.htmx:
            # Whose session has ended while typing keeps what was typed.
            raise PermissionDenied
        if not request.user.is_authenticated:
            response: HttpResponse = redirect_to_login(request.get_full_path())
        elif not getattr(request.user, "is_staff", False):
            raise PermissionDenied
        else:
            response = view(request, *args, **kwargs)
        response["Cache-Control"] = "private, no-store"
        return response

    return guarded


@require_safe
@staff_only
def products(request: HttpRequest) -> HttpResponse:
    """List products: all, those that match words, or those that were taken down; an exact sku or id comes first."""
    query = request.GET.get("q", "").strip()
    inactive = request.GET.get("show") == "inactive"
    after = request.GET.get("after", "")
    parameters = {"q": query, "after": after, "sort": "relevance" if query else "newest"}
    search = parse_search_request(parameters if not inactive else {"q": query}, query_field="q", query_required=False)
    exact = find_by_code(code=query) if query and not after else None
    found = list_inactive(after=after) if inactive else list_active(request=search)
    page = build_product_list(found, query=query, inactive=inactive, exact=exact, is_first=not after)
    return page_response(request, "staff/products.html", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
@staff_only
def new_product(request: HtmxHttpRequest) -> HttpResponse:
    """Show an empty form, and create what it says."""
    if request.method != "POST":
        return _form(request, empty_form())
    typed = read_form(request.POST)
    if (drawn := _redrawn(request, typed)) is not None:
        return drawn
    meaning = meaning_of(typed, None)
    draft = _draft(meaning.changes)
    if meaning.reasons:
        return _form(request, typed, reasons={**invalid_fields(draft), **meaning.reasons}, status=400)
    try:
        edited = create_product(draft=draft)
    except InvalidFields as error:
        return _form(request, typed, reasons=error.reasons, status=400)
    except CatalogUnavailable:
        return _form(request, typed, notice=NOT_SAVED, status=503)
    _tell(request, edited, f"Created {edited.product.name}.")
    return redirect(edit_url(edited.product.id))


@require_http_methods(["GET", "HEAD", "POST"])
@staff_only
def edit_product(request: HtmxHttpRequest, product_id: str) -> HttpResponse:
    """Show the form of a product, and change what it says."""
    if request.method != "POST":
        product = repository.get_stored_product(product_id)
        return _form(request, typed_of(product), product_id=product.id, active=product.active)
    typed = read_form(request.POST)
    if (drawn := _redrawn(request, typed, product_id)) is not None:
        return drawn
    try:
        return _changed(request, product_id, typed)
    except EditConflict as conflict:
        return _conflict(request, conflict.stored, typed)
    except CatalogUnavailable:
        return _form(request, typed, product_id=product_id, notice=NOT_SAVED, status=503)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_only
def change_status(request: HttpRequest, product_id: str) -> HttpResponse:
    """Ask whether to take a product out of the shop or to bring it back, and do so."""
    product = repository.get_stored_product(product_id)
    if request.method != "POST":
        return page_response(request, "staff/status.html", {"page": build_status_page(product)})
    move = reactivate_product if request.POST.get("action") == "reactivate" else deactivate_product
    try:
        edited = move(product_id=product_id, expected_version=read_form(request.POST).version)
    except EditConflict as conflict:
        notice = "Somebody has changed this product since you opened the page. This is how it is now."
        page = build_status_page(conflict.stored, notice=notice)
        return page_response(request, "staff/status.html", {"page": page}, status=409)
    except InvalidFields as error:
        # Stored by an older rule: the form shows what has to be mended first.
        return _form(request, typed_of(product), product_id=product_id, active=product.active, reasons=error.reasons)
    done = "is back in the shop" if edited.product.active else "is out of the shop; its data are kept"
    _tell(request, edited, f"{edited.product.name} {done}.")
    return redirect(edit_url(product_id))


def _changed(request: HttpRequest, product_id: str, typed: Typed) -> HttpResponse:
    stored = repository.get_stored_product(product_id)
    if stored.version != typed.version:
        return _conflict(request, stored, typed)
    meaning = meaning_of(typed, stored)
    if meaning.reasons:
        reasons = meaning.reasons
        return _form(request, typed, product_id=product_id, active=stored.active, reasons=reasons, status=400)
    try:
        edited = change_product(product_id=product_id, expected_version=typed.version, changes=meaning.changes)
    except InvalidFields as error:
        reasons = error.reasons
        return _form(request, typed, product_id=product_id, active=stored.active, reasons=reasons, status=400)
    _tell(request, edited, f"Saved: {labels_of(edited.changed)}." if edited.changed else "Nothing was changed.")
    return redirect(edit_url(product_id))


def _draft(changes: dict[str, Any]) -> ProductDraft:
    # What could not be understood is missing here, and already has its reason.
    needed: dict[str, Any] = {"sku": "", "name": "", "price": 0, "category_path": (), "stock": 0}
    needed["currency"] = shop_currency()
    return ProductDraft(**{**needed, **changes})


def _redrawn(request: HtmxHttpRequest, typed: Typed, product_id: str = "") -> HttpResponse | None:
    """Answer a button that only changes the form: more rows, another picture."""
    action = request.POST.get("action", "save")
    if action not in {"rows", "picture"}:
        return None
    page = build_product_form(
        typed.texts,
        typed.rows,
        version=typed.version,
        product_id=product_id,
        active=not product_id or repository.get_stored_product(product_id).active,
        more_rows=action == "rows",
    )
    fragment = {"rows": "staff/_attributes.html", "picture": "staff/_preview.html"}[action]
    return page_response(request, fragment if wants_fragment(request) else "staff/edit.html", {"page": page})


def _form(
    request: HttpRequest,
    typed: Typed,
    *,
    product_id: str = "",
    active: bool = True,
    reasons: dict[str, str] | None = None,
    notice: str = "",
    status: int = 200,
) -> HttpResponse:
    page = build_product_form(
        typed.texts,
        typed.rows,
        version=typed.version,
        product_id=product_id,
        active=active,
        reasons=reasons,
        notice=notice,
    )
    return page_response(request, "staff/edit.html", {"page": page}, status=status)


def _conflict(request: HttpRequest, stored: Product, typed: Typed) -> HttpResponse:
    shown = typed_of(stored)
    page = build_conflict(
        stored,
        {**shown.texts, "attributes": _as_text(shown)},
        {**typed.texts, "attributes": _as_text(typed)},
        rows=typed.rows,
        sent_version=typed.version,
    )
    return page_response(request, "staff/conflict.html", {"page": page}, status=409)


def _as_text(typed: Typed) -> str:
    return "\n".join(f"{name}: {value}" for name, value in typed.rows if name or value)


def _tell(request: HttpRequest, edited: Edited, text: str) -> None:
    messages.success(request, text)
    if not edited.caches_told:
        messages.warning(
            request, "Redis does not answer: shoppers may see the old state until it does, for some minutes."
        )
