"""All addresses of the project."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from speedscale import probes
from speedscale.cluster.views import cluster, routing
from speedscale.metrics import metrics

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("catalog.urls")),
    path("", include("recommender.urls")),
    path("api/", include("catalog.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", require_safe(SpectacularSwaggerSplitView.as_view(url_name="schema")), name="api-docs"),
    path("dashboard/lab/", include("speedscale.lab.urls")),
    path("dashboard/cluster/", cluster, name="cluster"),
    path("dashboard/cluster/routing/", routing, name="cluster-routing"),
    path("dashboard/", include("cachelayer.dashboard.urls")),
    path("health", probes.health, name="health"),
    path("livez", probes.livez, name="livez"),
    path("readyz", probes.readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("accounts/", include("speedscale.accounts")),
    path("staff/", include("catalog.staff_urls")),
    path("admin/", admin.site.urls),
]
handler400 = "speedscale.errors.bad_request"
handler403 = "speedscale.errors.permission_denied"
handler404 = "speedscale.errors.not_found"
handler500 = "speedscale.errors.internal_error"
