from __future__ import annotations

from django.apps import AppConfig


class RecommenderConfig(AppConfig):
    name = "recommender"
    verbose_name = "Recommender"

    def ready(self) -> None:
        from catalog.changes import products_changed
        from recommender.caching import forget_lists

        products_changed.connect(forget_lists, dispatch_uid="recommender.caching.forget_lists")
