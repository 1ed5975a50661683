"""The lists of what shoppers search for, for staff."""

from __future__ import annotations

import csv
from io import StringIO

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from catalog.contexts.searches import build_search_list, csv_rows
from catalog.services.searches import attempts_for, missed_searches, popular_searches
from catalog.services.trending import forget_search
from catalog.views.pages import page_response
from catalog.views.staff import staff_only

_CSV_ROWS = 500
"""What was tried is looked up for each row, so a table of the queries without a result ends here."""
_LAST_PAGE = 1000


@require_safe
@staff_only
def popular(request: HttpRequest) -> HttpResponse:
    """List the queries that find something, with what was chosen."""
    page = build_search_list(
        popular_searches(),
        path=reverse("staff:searches"),
        csv_path=reverse("staff:searches_csv"),
        page=_page_number(request),
        attempts=None,
    )
    return page_response(request, "staff/searches.html", {"page": page})


@require_safe
@staff_only
def missed(request: HttpRequest) -> HttpResponse:
    """List the queries that find nothing, with what was tried."""
    page = build_search_list(
        missed_searches(),
        path=reverse("staff:missed"),
        csv_path=reverse("staff:missed_csv"),
        page=_page_number(request),
        attempts=attempts_for,
    )
    return page_response(request, "staff/missed.html", {"page": page})


@require_safe
@staff_only
def popular_csv(request: HttpRequest) -> HttpResponse:
    """Give the queries that find something as a table."""
    del request
    return _table("searches.csv", csv_rows(popular_searches() or [], None))


@require_safe
@staff_only
def missed_csv(request: HttpRequest) -> HttpResponse:
    """Give the queries that find nothing as a table."""
    del request
    return _table("searches-without-result.csv", csv_rows((missed_searches() or [])[:_CSV_ROWS], attempts_for))


@require_POST
@staff_only
def forget(request: HttpRequest) -> HttpResponse:
    """Remove a query from all counts and from what shoppers are shown."""
    query = request.POST.get("query", "")[:200]
    if forget_search(query=query):
        messages.success(request, f"Removed “{query}”. It is counted anew when somebody searches for it.")
    else:
        messages.warning(request, "Redis does not answer, so nothing was removed.")
    return redirect("staff:missed" if request.POST.get("back") == "missed" else "staff:searches")


def _page_number(request: HttpRequest) -> int:
    told = request.GET.get("page", "")
    return max(min(int(told), _LAST_PAGE), 1) if told.isascii() and told.isdigit() and len(told) <= 6 else 1


def _table(name: str, rows: list[list[str]]) -> HttpResponse:
    text = StringIO()
    csv.writer(text).writerows(rows)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)
