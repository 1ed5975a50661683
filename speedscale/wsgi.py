"""The WSGI entry point that gunicorn serves."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from speedscale.env import EnvError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "speedscale.settings")
try:
    # Requests wait for accounts and sessions no longer than for products; commands, such as migrations, may.
    options: dict[str, Any] = settings.DATABASES["default"]["OPTIONS"]  # type: ignore[assignment]
    options["timeoutMS"] = settings.MONGO_TIMEOUT_MS
    application = get_wsgi_application()
except EnvError as error:
    print(f"configuration: {error}", file=sys.stderr)  # noqa: T201  (a line for the operator, not a traceback)
    sys.exit(78)
