"""Addresses of the lab. Those of the switchboard are there only where it is on: elsewhere they do not exist."""

from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, path

from speedscale.lab import switchboard, views

app_name = "lab"
urlpatterns: list[URLPattern] = [
    path("", views.home, name="home"),
    path("start", views.start, name="start"),
    path("runs/<str:identifier>/", views.run_page, name="run"),
    path("runs/<str:identifier>/stop", views.stop, name="stop"),
]
if settings.SWITCHBOARD:
    urlpatterns += [
        path("switchboard/", switchboard.page, name="switchboard"),
        path("switchboard/act", switchboard.act, name="act"),
        path("lessons/<str:name>/<int:number>/", switchboard.lesson, name="lesson"),
    ]
