"""App configurations: SpeedScale's own, and Django's contrib apps with MongoDB's key type.

Tables of the contrib apps live in MongoDB, whose primary keys are ObjectIds. Their shipped migrations create
integer keys, so each has a migration package of its own below ``speedscale.migrations``.
"""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.apps import AuthConfig
from django.contrib.contenttypes.apps import ContentTypesConfig


class SpeedScaleConfig(AppConfig):
    name = "speedscale"
    verbose_name = "SpeedScale"

    def ready(self) -> None:
        from speedscale import checks  # noqa: F401  (registers the system checks)


class MongoAdminConfig(AdminConfig):
    default_auto_field = "django_mongodb_backend.fields.ObjectIdAutoField"


class MongoAuthConfig(AuthConfig):
    default_auto_field = "django_mongodb_backend.fields.ObjectIdAutoField"


class MongoContentTypesConfig(ContentTypesConfig):
    default_auto_field = "django_mongodb_backend.fields.ObjectIdAutoField"
