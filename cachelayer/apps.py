from __future__ import annotations

from django.apps import AppConfig


class CacheLayerConfig(AppConfig):
    name = "cachelayer"
    verbose_name = "Cache layer"
