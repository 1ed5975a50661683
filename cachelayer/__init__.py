"""Cache-aside reads over django-redis, with the telemetry that explains them. Knows no product."""
