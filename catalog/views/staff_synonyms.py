"""The pages on which staff adds, changes and removes synonyms."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from catalog.contexts.synonyms import build_synonym_form, build_synonym_rows
from catalog.errors import CatalogUnavailable, InvalidFields
from catalog.staff_log import list_changes
from catalog.views.pages import page_response
from catalog.views.staff import NOT_SAVED, staff_only
from catalog.vocabulary.synonym_sets import (
    SynonymsConflict,
    SynonymsNotFound,
    change_synonyms,
    create_synonyms,
    delete_synonyms,
    get_synonyms,
    list_synonyms,
)
from catalog.vocabulary.synonyms import SYNONYMS

_LONGEST = 20_000
LATER = "Redis does not answer: other servers may search with the old state until it does, for some minutes."


@require_safe
@staff_only
def synonyms(request: HttpRequest) -> HttpResponse:
    """List all sets."""
    return page_response(request, "staff/synonyms.html", {"rows": build_synonym_rows(list_synonyms())})


@require_http_methods(["GET", "HEAD", "POST"])
@staff_only
def new_synonyms(request: HttpRequest) -> HttpResponse:
    """Show an empty form, or one that begins with a query, and create what it says."""
    if request.method != "POST":
        return _form(request, request.GET.get("phrase", "")[:200], one_way=False)
    typed, one_way = _typed(request)
    try:
        told = create_synonyms(phrases=typed.splitlines(), one_way=one_way, by=request.user.get_username())
    except InvalidFields as error:
        return _form(request, typed, one_way=one_way, problem=error.reasons["phrases"], status=400)
    except CatalogUnavailable:
        return _form(request, typed, one_way=one_way, notice=NOT_SAVED, status=503)
    return _done(request, "Saved. Searches follow at once.", told=told)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_only
def edit_synonyms(request: HttpRequest) -> HttpResponse:
    """Show the form of a set, and change or remove it."""
    set_id = request.GET.get("set", "")[:300]
    if request.method != "POST":
        try:
            stored = get_synonyms(set_id)
        except SynonymsNotFound as error:
            raise Http404 from error
        history = list_changes(subject=SYNONYMS, key=set_id)
        page = build_synonym_form(
            phrases="\n".join(stored.phrases), one_way=stored.one_way, version=stored.version, history=history
        )
        return page_response(request, "staff/synonym_form.html", {"page": page})
    typed, one_way = _typed(request)
    version, by = _version(request), request.user.get_username()
    try:
        if request.POST.get("action") == "delete":
            told = delete_synonyms(set_id=set_id, expected_version=version, by=by)
            return _done(request, "Removed. Searches follow at once.", told=told)
        told = change_synonyms(
            set_id=set_id, expected_version=version, phrases=typed.splitlines(), one_way=one_way, by=by
        )
    except InvalidFields as error:
        return _form(request, typed, one_way=one_way, version=version, problem=error.reasons["phrases"], status=400)
    except SynonymsConflict as conflict:
        return _conflict(request, conflict, typed, one_way=one_way)
    except CatalogUnavailable:
        return _form(request, typed, one_way=one_way, version=version, notice=NOT_SAVED, status=503)
    return _done(request, "Saved. Searches follow at once.", told=told)


def _conflict(request: HttpRequest, conflict: SynonymsConflict, typed: str, *, one_way: bool) -> HttpResponse:
    stored = conflict.stored
    if stored is None:
        notice = "Somebody else has removed this set. Nothing of yours is saved; a new set can begin with it."
        page = build_synonym_form(phrases=typed, one_way=one_way, notice=notice)
        return page_response(request, "staff/synonym_form.html", {"page": page, "is_gone": True}, status=409)
    notice = (
        "Somebody else was faster. Nothing of yours is saved yet: save again to put it in the place of what is stored."
    )
    page = build_synonym_form(phrases=typed, one_way=one_way, version=stored.version, notice=notice, stored=stored)
    return page_response(request, "staff/synonym_form.html", {"page": page}, status=409)


def _typed(request: HttpRequest) -> tuple[str, bool]:
    return request.POST.get("phrases", "")[:_LONGEST], request.POST.get("direction") == "one_way"


def _version(request: HttpRequest) -> int:
    told = request.POST.get("version", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) <= 9 else 0


def _form(
    request: HttpRequest,
    phrases: str,
    *,
    one_way: bool,
    version: int = 0,
    problem: str = "",
    notice: str = "",
    status: int = 200,
) -> HttpResponse:
    page = build_synonym_form(phrases=phrases, one_way=one_way, version=version, problem=problem, notice=notice)
    return page_response(request, "staff/synonym_form.html", {"page": page}, status=status)


def _done(request: HttpRequest, text: str, *, told: bool) -> HttpResponse:
    messages.success(request, text)
    if not told:
        messages.warning(request, LATER)
    return redirect("staff:synonyms")
