from __future__ import annotations

from django.apps import AppConfig


class CacheLayerConfig(AppConfig):
    name = "cachelayer"
    verbose_name = "Cache layer"

    def ready(self) -> None:
        from cachelayer.describing import register_description
        from cachelayer.gauges import register_gauges
        from cachelayer.health import ping_redis, register_probe
        from cachelayer.redis_facts import describe_redis

        register_probe("redis", ping_redis, required=False)
        register_gauges()
        register_description("redis", describe_redis)
