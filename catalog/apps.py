from __future__ import annotations

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "catalog"
    verbose_name = "Catalogue"

    def ready(self) -> None:
        from cachelayer.dashboard.plans import register_explainer
        from cachelayer.describing import register_description
        from cachelayer.health import register_probe
        from cachelayer.telemetry.node import register_gauge
        from catalog.explaining import explain, route
        from catalog.mongo import breaker, pool, probe
        from catalog.mongo_facts import describe_mongodb

        register_probe("mongodb", probe, required=True)
        register_description("mongodb", describe_mongodb)
        register_explainer(explain, route=route)
        register_gauge("breaker_open|mongodb", lambda: float(breaker.is_open))
        register_gauge("pool_in_use|mongodb", lambda: float(pool.in_use))
        register_gauge("pool_size|mongodb", lambda: float(pool.size))
