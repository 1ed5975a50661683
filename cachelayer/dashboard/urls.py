from __future__ import annotations

from django.urls import path

from cachelayer.dashboard import views

app_name = "dashboard"
urlpatterns = [
    path("", views.overview, name="home"),
    path("history/", views.history, name="history"),
    path("history/requests.csv", views.history_csv, name="history_csv"),
    path("history/clear", views.history_clear, name="history_clear"),
    path("requests/<str:identifier>/", views.one_request, name="request"),
    path("keys/", views.keys, name="keys"),
    path("keys/value", views.one_key, name="key"),
    path("keys/change", views.change_key, name="change_key"),
    path("costs/", views.cost_model, name="costs"),
]
