"""Signing in and out, on pages that look like the shop."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.views.decorators.cache import never_cache

from cachelayer.web import ratelimit
from cachelayer.web.clients import client_address

_ATTEMPTS = "20/minute"
"""Passwords that one address may try."""


class SignIn(LoginView):
    """Asks for name and password, and goes on to where the visitor wanted to go on this site."""

    template_name = "accounts/login.html"

    def get_default_redirect_url(self) -> str:
        """Return where to go without a wish."""
        return reverse("staff:products")

    def post(self, request: HttpRequest, *args: str, **kwargs: object) -> HttpResponse:
        """Check a password, unless this address has tried too many."""
        verdict = ratelimit.check(_ATTEMPTS, scope="sign-in", client=client_address(request))
        if verdict is not None and not verdict.allowed:
            form = self.get_form_class()(request)
            context = self.get_context_data(form=form, retry_after_seconds=verdict.reset_seconds)
            return self.render_to_response(context, status=429, headers=verdict.headers())
        return super().post(request, *args, **kwargs)


@never_cache
def sign_out(request: HttpRequest) -> HttpResponseBase:
    """End the session (POST only), and go to the home page."""
    return LogoutView.as_view(next_page="/")(request)


urlpatterns = [
    path("login/", SignIn.as_view(), name="login"),
    path("logout/", sign_out, name="logout"),
]
