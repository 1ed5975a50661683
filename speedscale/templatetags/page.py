"""Tags for every page: icons from the sprite, and the time that the page has taken so far."""

from __future__ import annotations

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from cachelayer.presentation import format_ms
from cachelayer.trace import current_trace

register = template.Library()


@register.simple_tag
def icon(name: str, css_class: str = "") -> SafeString:
    """Draw an icon of ``static/icons/ui.svg``; decoration, so the text beside it must say what it means."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"/></svg>', css_class, static("icons/ui.svg"), name
    )


@register.simple_tag
def page_timing() -> str:
    """Return the time from the request's arrival to this place of the page; empty outside of a request."""
    trace = current_trace()
    return format_ms(trace.elapsed_ms()) if trace else ""
