"""Tags for every page: icons from the sprite, and the time that the page has taken so far."""

from __future__ import annotations

from functools import cache

from django import template
from django.template import Context
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from cachelayer.dashboard.pages import is_staff
from cachelayer.trace import current_trace
from cachelayer.web.presentation import format_ms

register = template.Library()


@register.simple_tag
@cache
def icon(name: str, css_class: str = "") -> SafeString:
    """Draw an icon of ``static/icons/ui.svg``; decoration, so the text beside it must say what it means."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"/></svg>', css_class, static("icons/ui.svg"), name
    )


@register.simple_tag(takes_context=True)
def staff_links(context: Context) -> list[tuple[str, str]]:
    """Return what the header offers to staff, as pairs of label and address; nothing to anybody else.

    The session of somebody without its cookie is not looked at, so that shoppers' pages depend on no cookie. A page
    that comes out of the cache must not fail because accounts cannot be read.
    """
    request = context.get("request")
    if request is None or not hasattr(request, "user") or not is_staff(request):
        return []
    links = [("Staff", reverse("staff:products"))]
    match = request.resolver_match
    if match is not None and match.view_name == "catalog:product":
        links.insert(0, ("Edit", reverse("staff:edit", kwargs=match.kwargs)))
    return links


@register.simple_tag
def page_timing() -> str:
    """Return the time from the request's arrival to this place of the page; empty outside of a request."""
    trace = current_trace()
    return format_ms(trace.elapsed_ms()) if trace else ""
