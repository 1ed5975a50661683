from __future__ import annotations

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "catalog"
    verbose_name = "Catalogue"

    def ready(self) -> None:
        from cachelayer.health import register_probe
        from catalog.mongo import probe

        register_probe("mongodb", probe, required=True)
