from __future__ import annotations

from django.urls import path

from cachelayer.dashboard.views import dashboard

app_name = "dashboard"
urlpatterns = [path("", dashboard, name="home")]
