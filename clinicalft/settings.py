"""Every setting of the app. Each variable read here is explained in docs/configuration.md."""

import secrets
from pathlib import Path
from typing import Any

from celery.schedules import crontab
from cryptography.fernet import Fernet
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from clinicalft import embedded, environment

BASE_DIR = Path(__file__).resolve().parent.parent

# What kind of place this is

PRODUCTION = environment.flag("PRODUCTION")
DEBUG = environment.flag("DEBUG")
VAR_DIR = environment.folder("CLINICALFT_VAR", BASE_DIR / "var")
MODELS_DIR = environment.folder("MODELS_DIR", VAR_DIR / "models")
KEYS_DIR = environment.folder("KEYS_DIR", VAR_DIR / "keys")
RUNS_DIR = environment.folder("RUNS_DIR", VAR_DIR / "runs")
# Named but missing is a fault, never a pass that is silently left out: so there is no default folder.
DEID_MODEL = environment.folder("DEID_MODEL", BASE_DIR) if environment.text("DEID_MODEL") else None
DEID_TAGGER = environment.folder("DEID_TAGGER", BASE_DIR) if environment.text("DEID_TAGGER") else None
ALLOWED_HOSTS = environment.words("ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]"))
CSRF_TRUSTED_ORIGINS = environment.words("CSRF_TRUSTED_ORIGINS")

if PRODUCTION and DEBUG:
    raise ImproperlyConfigured("DEBUG is on in PRODUCTION: error pages would show clinical text. Switch one off.")

# Secrets: given, or made once for the embedded default

SECRET_KEY = environment.kept_secret(
    "SECRET_KEY", VAR_DIR / "secrets" / "secret_key", lambda: secrets.token_urlsafe(64), required=PRODUCTION
)
if len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 10 or SECRET_KEY.startswith("django-insecure"):
    raise ImproperlyConfigured("SECRET_KEY is too short or a sample: use at least 50 random characters.")

# Newest first: the first encrypts, all of them decrypt, the last keys the blind indexes.
FIELD_KEYS = [
    key.strip()
    for key in environment.kept_secret(
        "FIELD_KEYS", VAR_DIR / "secrets" / "field_keys", lambda: Fernet.generate_key().decode(), required=PRODUCTION
    ).split(",")
]
for _key in FIELD_KEYS:
    try:
        Fernet(_key)
    except ValueError as _error:
        raise ImproperlyConfigured("FIELD_KEYS must be Fernet keys (32 bytes, URL-safe base64), by commas.") from _error

# By this a GPU host proves who it is; `manage.py worker_enrol` hands its digest in.
WORKER_KEY = environment.kept_secret(
    "WORKER_KEY", VAR_DIR / "worker" / "key", lambda: secrets.token_urlsafe(32), required=False
)

# PostgreSQL and Redis: named by URL, or embedded in VAR_DIR

DATABASE_URL = environment.text("DATABASE_URL")
REDIS_URL = environment.text("REDIS_URL")
if PRODUCTION and not (DATABASE_URL and REDIS_URL):
    raise ImproperlyConfigured("PRODUCTION needs DATABASE_URL and REDIS_URL: the embedded servers are for one machine.")
DATABASE_URL = DATABASE_URL or embedded.database_url(VAR_DIR)
REDIS_URL = REDIS_URL or embedded.redis_url(VAR_DIR)

DATABASES: dict[str, Any] = {
    "default": {
        **environment.database(DATABASE_URL),
        # Kept longer than anybody looks at one item: a new connection knows no prepared statement yet.
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
    }
}
# PostgreSQL gets values apart from the statement, and a statement that comes again is not planned again.
DATABASES["default"]["OPTIONS"] |= {"server_side_binding": True, "prepare_threshold": 5}
if PRODUCTION:
    environment.check_database_is_private(DATABASES["default"])
    environment.check_broker_is_private(REDIS_URL)

# The app

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "clinicalft.staticfiles.StaticFiles",
    "django.contrib.postgres",
    "csp",
    "django_htmx",
    "clinicalft",
    "annotation",
    "training",
    "evaluation",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "clinicalft.middleware.no_store",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "clinicalft.urls"
WSGI_APPLICATION = "clinicalft.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
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
                "clinicalft.navigation.frame",
            ],
        },
    }
]
LANGUAGE_CODE = "en"
TIME_ZONE = environment.time_zone("TIME_ZONE", "UTC")
USE_TZ = True
# The only caches of Django pickle what they keep; nothing here needs one.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}

# People and sessions

AUTH_USER_MODEL = "clinicalft.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 15}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_ENGINE = "clinicalft.sessions"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"

# Headers

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}
# Not "no-referrer": browsers then send "Origin: null" with a form, and the CSRF check refuses it.
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"

if PRODUCTION:
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 63_072_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^health/$"]
if environment.flag("BEHIND_PROXY"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Static files: ours, and the browser libraries that npm put into node_modules by lock

STATIC_URL = "static/"
STATIC_ROOT = environment.folder("STATIC_ROOT", VAR_DIR / "static")
NODE_MODULES = environment.folder("NODE_MODULES", BASE_DIR / "node_modules")
_npm_folders = [("bootstrap", NODE_MODULES / "bootstrap" / "dist"), ("echarts", NODE_MODULES / "echarts" / "dist")]
STATICFILES_DIRS: list[Path | tuple[str, Path]] = [
    *(path for path in [BASE_DIR / "static"] if path.is_dir()),
    *((prefix, path) for prefix, path in _npm_folders if path.is_dir()),
]
# bin/up and the images serve what collectstatic made, compressed and with names that a browser may keep for ever.
COLLECTED_STATIC = environment.flag("COLLECTED_STATIC", default=PRODUCTION)
# Where adapters are kept by digest, so that every host finds them: a folder, or a bucket of an S3-compatible store.
ARTEFACTS_DIR = environment.folder("ARTEFACTS_DIR", VAR_DIR / "artefacts")
ARTEFACTS_URL = environment.text("ARTEFACTS_URL")
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "artefacts": environment.bucket(ARTEFACTS_URL, private=PRODUCTION)
    if ARTEFACTS_URL
    else {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": ARTEFACTS_DIR, "file_permissions_mode": 0o600},
    },
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if COLLECTED_STATIC
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not COLLECTED_STATIC
STATIC_ROOT.mkdir(parents=True, exist_ok=True)

# Files that people bring

MEDIA_ROOT = VAR_DIR / "files"
FILE_UPLOAD_TEMP_DIR = VAR_DIR / "uploads"
FILE_UPLOAD_TEMP_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
FILE_UPLOAD_PERMISSIONS = 0o600
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
# OpenAI-compatible servers of this network that may be asked in place of a worker's own engine. Notes go to no other.
INFERENCE_SERVERS = environment.addresses("INFERENCE_SERVERS")
MAX_UPLOAD_BYTES = environment.number("MAX_UPLOAD_MB", default=200, low=1, high=10_000) * 1024 * 1024

# The JSON interface (clinicalft/api.py): closed by default, JSON only, no pages of its own

API_REQUESTS_PER_MINUTE = environment.number("API_REQUESTS_PER_MINUTE", default=60, low=1, high=10_000)
API_MAX_BYTES = 4 * 1024 * 1024
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "clinicalft.tokens.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["clinicalft.tokens.RequestsPerMinute"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "clinicalft.api.one_sentence",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "ClinicalFT",
    "DESCRIPTION": "Agreement and rates, and the ratings of rounds. docs/api.md explains it with examples.",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
}

# Background work: ids only, the truth is a row (clinicalft/jobs.py)

CELERY_BROKER_URL = environment.broker(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# One value for all processes on one Redis: the shortest one would win and start long runs twice.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 6 * 60 * 60}
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_EVENT_SERIALIZER = "json"
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED = False
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Short work ends within this time after SIGQUIT; a trainer is told by the death of its parent and saves by itself.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_QUEUES: dict[str, dict[str, str]] = {"default": {}, "gpu": {}}
CELERY_TASK_ROUTES = {"clinicalft.tasks.requeue_lost_work": {"queue": "default"}}
CELERY_BEAT_SCHEDULE = {
    "requeue lost work": {"task": "clinicalft.tasks.requeue_lost_work", "schedule": 15.0},
    "fold tallies": {"task": "annotation.tasks.fold_tallies", "schedule": 10.0},
    "compare tallies": {"task": "annotation.tasks.compare_tallies", "schedule": crontab(hour="2", minute="30")},
}
# The default scheduler keeps its clock in a pickle; ours runs every 15 s and needs no memory.
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"
CELERY_TIMEZONE = "UTC"

# Logs: JSON lines with listed keys, no bodies, no mail

LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "clinicalft.logs.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        # Replaces Django's own handlers, one of which mails request data to admins.
        "django": {"handlers": [], "level": "WARNING", "propagate": True},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
        "celery": {"level": "INFO"},
        **{
            name: {"level": environment.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))}
            for name in ("clinicalft", "annotation", "training", "evaluation")
        },
    },
}
