from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings


class CacheLayerConfig(AppConfig):
    name = "cachelayer"
    verbose_name = "Cache layer"

    def ready(self) -> None:
        from cachelayer.describing import register_description
        from cachelayer.health import ping_redis, register_probe
        from cachelayer.server.facts import describe_redis
        from cachelayer.telemetry import recorder
        from cachelayer.telemetry.gauges import register_gauges

        register_probe("redis", ping_redis, required=False)
        recorder.enabled = getattr(settings, "TELEMETRY", True)
        register_gauges()
        register_description("redis", describe_redis)
