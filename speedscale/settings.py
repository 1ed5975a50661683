"""Settings, read from the environment. Every variable is listed in README.md with its default."""

from __future__ import annotations

import sys
from pathlib import Path

from csp.constants import NONE, SELF

from cachelayer.server.addresses import cache_settings
from speedscale.embedded.state import read_endpoints
from speedscale.env import Env
from speedscale.geodjango import do_without_geodjango
from speedscale.secret import resolve_secret_key

do_without_geodjango()
env = Env()

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = env.path("DATA_DIR", BASE_DIR / ".data")
DEBUG = env.boolean("DEBUG", False)

# --- Servers -----------------------------------------------------------------------------------------------
# Explicit addresses win. Without them, the embedded servers that `manage.py up` started in DATA_DIR are used.
_endpoints = read_endpoints(DATA_DIR)
EMBEDDED = not env.is_set("MONGO_URI")
MONGO_URI = env.url("MONGO_URI", ("mongodb", "mongodb+srv"), _endpoints.mongo_uri)
MONGO_DB = env.database("MONGO_DB", "speedscale")
REDIS_URL = env.redis("REDIS_URL", _endpoints.redis_url)

# A directory of files that tell where `up` listens is trusted as far as the user who owns it.
CONTROL_SOCKET = _endpoints.control if EMBEDDED and not env.is_set("REDIS_URL") else ""

HOST = env.text("HOST", "127.0.0.1")
PORT = env.integer("PORT", 8000, minimum=1, maximum=65535)
WEB_CONCURRENCY = env.integer("WEB_CONCURRENCY", 2, minimum=1, maximum=256)
WEB_THREADS = env.integer("WEB_THREADS", 8, minimum=1, maximum=256)

# --- Security ----------------------------------------------------------------------------------------------
SECRET_KEY = resolve_secret_key(env, data_dir=DATA_DIR, may_create=EMBEDDED or DEBUG)
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS")
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES")
METRICS_TOKEN = env.text("METRICS_TOKEN")
IMAGE_HOSTS = env.hosts("IMAGE_HOSTS", ports=True)
# A leading dot stands for all subdomains, which a Content-Security-Policy writes with an asterisk.
IMAGE_SOURCES = [
    f"{scheme}://{'*' if host.startswith('.') else ''}{host}" for host in IMAGE_HOSTS for scheme in ("https", "http")
]
# On by default as soon as the process talks to a deployment of its own, off on a developer's machine.
HTTPS = env.boolean("HTTPS", not EMBEDDED and not DEBUG)

# Stopping, pausing and slowing servers from a page: for development alone, where `up` runs both of them.
SWITCHBOARD = bool(CONTROL_SOCKET) and not HTTPS

SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
CSRF_FAILURE_VIEW = "speedscale.errors.csrf_failure"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^health$", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", *IMAGE_SOURCES],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000  # A product may have 400 attributes, each a name and a value in its form.

# --- Application -------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "speedscale.apps.SpeedScaleConfig",
    "recommender",
    "catalog.apps.CatalogConfig",
    "cachelayer.apps.CacheLayerConfig",
    "speedscale.apps.MongoAdminConfig",
    "speedscale.apps.MongoAuthConfig",
    "speedscale.apps.MongoContentTypesConfig",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "csp",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "cachelayer.web.middleware.TraceMiddleware",
    "cachelayer.web.lane.HotLaneMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "speedscale.errors.ServiceErrorMiddleware",
    "cachelayer.web.middleware.ViewSpanMiddleware",
]
ROOT_URLCONF = "speedscale.urls"
WSGI_APPLICATION = "speedscale.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = True

# --- Databases and caches ----------------------------------------------------------------------------------
DATABASES = {
    "default": {
        "ENGINE": "django_mongodb_backend",
        "HOST": MONGO_URI or "mongodb://127.0.0.1:27017",
        "NAME": MONGO_DB,
        "OPTIONS": {
            **dict.fromkeys(("serverSelectionTimeoutMS", "connectTimeoutMS", "waitQueueTimeoutMS"), 1000),
            "appname": "speedscale-accounts",
        },
    }
}
DEFAULT_AUTO_FIELD = "django_mongodb_backend.fields.ObjectIdAutoField"
MIGRATION_MODULES = {
    "admin": "speedscale.migrations.admin",
    "auth": "speedscale.migrations.auth",
    "contenttypes": "speedscale.migrations.contenttypes",
}
MONGO_TIMEOUT_MS = env.integer("MONGO_TIMEOUT_MS", 1000, minimum=50, maximum=60_000)
"""Longest wait for a usable MongoDB server and for one reply, in milliseconds."""
# docs/data-model.md says what each of these means for what visitors see.
MONGO_READ_PREFERENCE = env.choice(
    "MONGO_READ_PREFERENCE",
    "primaryPreferred",
    ("primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"),
)
MONGO_WRITE_CONCERN = env.choice("MONGO_WRITE_CONCERN", "majority", ("majority", "1", "2", "3"))
MONGO_RETRY = env.boolean("MONGO_RETRY", True)
MONGO_POOL_SIZE = env.integer("MONGO_POOL_SIZE", 50, minimum=1, maximum=1000)

SEARCH_BUDGET_MS = env.integer("SEARCH_BUDGET_MS", 250, minimum=5, maximum=500)
"""What MongoDB may take to find the products of one search; an answer that is cut off says so."""

_PATIENT_COMMANDS = {
    *("import_products", "reindex_search", "restore", "seed", "train_recommender", "warm_cache", "watch_catalog")
}
REDIS_TIMEOUT_SECONDS = env.integer("REDIS_TIMEOUT_MS", 50, minimum=5, maximum=5000) / 1000
"""Longest wait for Redis, to connect and for one reply; commands that no visitor waits for wait ten times as long."""
if _PATIENT_COMMANDS & set(sys.argv[1:2]):
    REDIS_TIMEOUT_SECONDS *= 10
CACHES = {
    "default": cache_settings(
        REDIS_URL or "redis://127.0.0.1:6379/0", timeout_seconds=REDIS_TIMEOUT_SECONDS, key_prefix="speedscale"
    )
}
LOGIN_URL = "login"
LOGOUT_REDIRECT_URL = "/"
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"

CACHE_TTL_SEARCH = env.integer("CACHE_TTL_SEARCH", 60, minimum=1, maximum=86_400)
CACHE_TTL_PRODUCT = env.integer("CACHE_TTL_PRODUCT", 300, minimum=1, maximum=86_400)
CACHE_TTL_SIMILAR = env.integer("CACHE_TTL_SIMILAR", 120, minimum=1, maximum=86_400)
CACHE_L1_SECONDS = env.integer("CACHE_L1_SECONDS", 2, minimum=0, maximum=60)
# The rules for each kind of value; cachelayer/policies.py says what each rule means. Fresh for the TTL, and old answers
# for some minutes more, while they are refreshed or while MongoDB is away.
CACHE_POLICIES: dict[str, dict[str, float]] = {
    "search": {"soft_seconds": CACHE_TTL_SEARCH, "hard_seconds": CACHE_TTL_SEARCH + 900},
    "product": {"soft_seconds": CACHE_TTL_PRODUCT, "hard_seconds": CACHE_TTL_PRODUCT + 3600, "negative_seconds": 10},
    "similar": {"soft_seconds": CACHE_TTL_SIMILAR, "hard_seconds": CACHE_TTL_SIMILAR + 3600, "negative_seconds": 10},
    # Which model is live: told to everybody at a swap, and worth knowing for as long as MongoDB may be away.
    "model": {"soft_seconds": CACHE_TTL_SIMILAR, "hard_seconds": 86_400},
    "list": {"soft_seconds": 60, "hard_seconds": 960},
    "suggestions": {"soft_seconds": 300, "hard_seconds": 3900},
    # For values that this shop keeps as parts of others, and a shop built on it may keep by themselves.
    "facets": {"soft_seconds": 120, "hard_seconds": 1020},
    # An old price is worse than none, and a basket belongs to one person: neither is ever served stale or from L1.
    "price": {"soft_seconds": 5, "hard_seconds": 5, "jitter": 0.0, "local_seconds": 0, "early": 0.0},
    "session": {"soft_seconds": 600, "hard_seconds": 600, "jitter": 0.0, "local_seconds": 0, "early": 0.0},
}
for _rules in CACHE_POLICIES.values():
    _rules.setdefault("local_seconds", CACHE_L1_SECONDS)
TELEMETRY = env.boolean("TELEMETRY", True)
# Kinds of keys that the dashboard's inspector shows to everybody who reaches it, with the policy of each: nothing that
# belongs to one person.
INSPECTED_KEYS = {
    "search": "search",
    "product": "product",
    "similar": "similar",
    "categories": "list",
    "list": "list",
    "suggest": "suggestions",
}
RATE_LIMIT_SEARCH = env.rate("RATE_LIMIT_SEARCH", "60/minute")
# Whoever types asks several times a second; nearly all of it is answered by the cache.
RATE_LIMIT_SUGGEST = env.rate("RATE_LIMIT_SUGGEST", "300/minute")

# Words that fewer people have searched for are nobody else's business.
TRENDING_CLIENTS = env.integer("TRENDING_CLIENTS", 3, minimum=1, maximum=100)

SEED_TARGET = env.integer("SEED_TARGET", 2000, minimum=0, maximum=100_000_000)
CURRENCY = env.currency("CURRENCY", "EUR")
AUTO_SEED = env.boolean("AUTO_SEED", True)
WARM_CACHE = env.integer("WARM_CACHE", 0, minimum=0, maximum=100_000)

# --- Static files ------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_MAX_AGE = 3600

# --- API ---------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": [
        "catalog.api.renderers.OrjsonRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "catalog.api.problems.problem_response",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "SpeedScale API",
    "DESCRIPTION": "Products, search and recommendations. Every answer says where it came from and how long it took.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- Logging -----------------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {
        "handlers": ["stderr"],
        "level": env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")),
    },
    "loggers": {
        "django.request": {"level": "ERROR"},
        # A forged Host header is a stranger's mistake, not ours.
        "django.security.DisallowedHost": {"handlers": [], "propagate": False},
        "pymongo": {"level": "WARNING"},
    },
}
