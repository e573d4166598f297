"""One settings file, driven by the environment; a wrong value stops start-up.

Without any variable set this is the embedded mode: SQLite, Celery on its filesystem broker and mail
into a local inbox, all below ``var/``. DATABASE_URL and REDIS_URL turn it into the team mode.
"""

import secrets
from pathlib import Path

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from riskreg import environment as env
from riskreg import reporting

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(env.text("RISKREG_VAR") or BASE_DIR / "var").resolve()

# DEBUG is for those who change the code; `make run` and the containers leave it off.
DEBUG = env.boolean("DEBUG", default=False)


def _secret_key() -> str:
    """SECRET_KEY, or in the embedded mode one made at the first start and kept below var/."""
    if key := env.text("SECRET_KEY"):
        return key
    if env.text("DATABASE_URL"):
        raise ImproperlyConfigured("SECRET_KEY must be set when DATABASE_URL is set.")
    VAR_DIR.mkdir(parents=True, exist_ok=True)
    path = VAR_DIR / "secret_key"
    try:
        with path.open("x") as file:
            path.chmod(0o600)
            file.write(secrets.token_urlsafe(48))
    except FileExistsError:
        pass
    return path.read_text()


SECRET_KEY = _secret_key()
# Keys of before, newest first: what they signed and sealed can still be read.
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")
SITE_URL = env.text("SITE_URL", "http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")

# Apps in lifecycle order: each may import those above it, never those below (import-linter holds it).
INSTALLED_APPS = [
    "riskreg.accounts",
    "riskreg.jobs",
    "riskreg.mail",
    "riskreg.ui.apps.UiConfig",
    "crm",
    "risks",
    "assessments",
    "responses",
    "monitoring",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "riskreg.ui.apps.ServedFilesConfig",
    "django.contrib.humanize",
    "django.forms",
    "crispy_forms",
    "crispy_bootstrap5",
    "csp",
    "django_filters",
    "django_htmx",
    "simple_history",
    "template_partials",
]

MIDDLEWARE = [
    "riskreg.logs.each_request",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "riskreg.ui.middleware.utf8_only",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "riskreg.accounts.middleware.personal_settings",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
]

ROOT_URLCONF = "riskreg.urls"
WSGI_APPLICATION = "riskreg.wsgi.application"
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
                "riskreg.ui.context.site",
            ],
            "builtins": ["template_partials.templatetags.partials", "riskreg.ui.templatetags.ui"],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"

# --- data ------------------------------------------------------------------------------------------------

EMBEDDED = not env.text("DATABASE_URL")
if EMBEDDED:
    VAR_DIR.mkdir(parents=True, exist_ok=True)
DATABASES = {
    "default": dj_database_url.parse(
        env.text("DATABASE_URL") or f"sqlite:///{VAR_DIR / 'riskreg.sqlite3'}",
        conn_max_age=60,
        conn_health_checks=True,
    )
}
# Without IMMEDIATE a read that turns into a write fails at once, whatever the time-out (docs/decisions.md, SQLite).
SQLITE_OPTIONS = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; "
        "PRAGMA recursive_triggers=ON; PRAGMA journal_size_limit=67108864;"
    ),
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = False
elif DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    # Compiling a query takes longer than any of ours, and disks have no arms any more.
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("options", "-c jit=off -c random_page_cost=1.1")
    DATABASES["default"]["OPTIONS"].setdefault("connect_timeout", 5)  # seconds; otherwise minutes
else:
    raise ImproperlyConfigured("DATABASE_URL must begin with postgres:// or sqlite:///.")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# --- people ----------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "monitoring:today"
LOGOUT_REDIRECT_URL = "accounts:login"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- languages, times, money -----------------------------------------------------------------------------

LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LANGUAGE_CODE = env.choice("LANGUAGE_CODE", {"en", "zh-hans"}, default="en")
FORMAT_MODULE_PATH = ["riskreg.formats"]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_USER_TIME_ZONE = env.text("DEFAULT_USER_TIME_ZONE", "UTC")
CURRENCY = env.text("CURRENCY", "USD")

# --- static files and security ---------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "var" / "static"  # built once per checkout or image, wherever the data lives
STATICFILES_DIRS = [
    BASE_DIR / "static",
    *(
        (prefix, str(folder))
        for prefix, folder in [
            ("tabler/css", BASE_DIR / "node_modules/@tabler/core/dist/css"),
            ("tabler/js", BASE_DIR / "node_modules/@tabler/core/dist/js"),
            ("htmx", BASE_DIR / "node_modules/htmx.org/dist"),
        ]
        if folder.is_dir()
    ),
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],  # Tabler's own style sheet draws its form marks from data: images
        "font-src": [SELF],
        "connect-src": [SELF],
        "frame-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
HTTPS = SITE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_AGE = 7 * 24 * 3600
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
if env.boolean("TRUST_FORWARDED_PROTO", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000

# Hosts ("name" or "name:port") that may be called although they are private or on an unusual port (riskreg/outside.py).
OUTSIDE_ALLOWED_HOSTS = env.words("OUTSIDE_ALLOWED_HOSTS")
# Addresses of CRMs besides the vendors' own: a fake, for tests and trials. Whoever sets it may point at any machine.
CRM_OWN_BASES = env.words("CRM_OWN_BASES")

# --- mail ------------------------------------------------------------------------------------------------

DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "Sales risk register <riskreg@localhost>")
EMAIL_TIMEOUT = 20  # Django's default is to wait for ever
EMAIL_HOST = env.text("EMAIL_HOST")
EMAIL_PORT = env.integer("EMAIL_PORT", default=25, low=1, high=65535)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.boolean("EMAIL_USE_TLS", default=False)
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend" if EMAIL_HOST else "riskreg.mail.backend.LocalInboxBackend"
)

# --- background work (docs/decisions.md, Jobs) --------------------------------------------

REDIS_URL = env.text("REDIS_URL")
if REDIS_URL:
    CELERY_BROKER_URL = REDIS_URL
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": 900,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "health_check_interval": 25,
        "max_retries": 1,
    }
else:
    BELL_DIR = VAR_DIR / "bell"
    CELERY_BROKER_URL = "filesystem://localhost"
    CELERY_BROKER_TRANSPORT = "riskreg.jobs.bell_files:Transport"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(BELL_DIR),
        "data_folder_out": str(BELL_DIR),
        "control_folder": str(BELL_DIR / "control"),
        "polling_interval": 0.05,
    }
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_IGNORE_RESULT = True  # results live in the job row
CELERY_TASK_PUBLISH_RETRY = False  # the bell may fail; the sweeper rings again
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_SOFT_TIME_LIMIT, CELERY_TASK_TIME_LIMIT = 1500, 1560
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 25
CELERY_WORKER_MAX_TASKS_PER_CHILD = 500
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_ENABLE_UTC, CELERY_TIMEZONE = True, "UTC"
CELERY_ACCEPT_CONTENT = ["json"]
# Beat only rings; who is due is decided by a compare-and-set on the schedule row, so two beats do no harm.
CELERY_BEAT_SCHEDULE = {"ring": {"task": "jobs.ring", "schedule": 10.0, "options": {"expires": 10}}}
CELERY_BEAT_SCHEDULER = "riskreg.jobs.beat:Scheduler"
# A kind is the dotted name of a function; a row that names one outside of these is never called.
JOB_KINDS = ("riskreg.", "crm.", "risks.", "assessments.", "responses.", "monitoring.")
JOB_LEASE_SECONDS = 120  # a job that renews nothing for so long is taken from its worker
JOB_BACKOFF_SECONDS = (10.0, 600.0)  # after the first failure, and at most
JOB_BELL_SECONDS = 3  # a job that is due for so long is rung for again
WORKER_MEMORY_MB = env.integer("WORKER_MEMORY_MB", default=2048, low=512, high=1_048_576)

# --- scoring ---------------------------------------------------------------------------------------------

# The stages that fill a score sheet, in lifecycle order, like MIDDLEWARE (risks/scores.py).
SCORE_STAGES = ["assessments.stage", "responses.stage", "monitoring.stage"]
# Told of every change of scores, in the same transaction (risks.scores.Change).
SCORE_WATCHERS = ["monitoring.watcher.watch"]
# Gives the active scoring method; named here because the register may not import later stages.
SCORE_METHOD = "assessments.queries.active_method"
# Each stage's columns of the register file, for import and export (risks/register.py).
REGISTER_COLUMNS = ["risks.columns", "assessments.columns", "responses.columns"]

# --- logs ------------------------------------------------------------------------------------------------

LOG_FORMAT = env.choice("LOG_FORMAT", {"text", "json"}, default="text")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"text": {"()": "riskreg.logs.TextFormatter"}, "json": {"()": "riskreg.logs.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": env.choice("LOG_LEVEL", {"DEBUG", "INFO", "WARNING"}, default="INFO")},
}
if env.text("SENTRY_DSN"):
    reporting.start(env.text("SENTRY_DSN"), environment="development" if DEBUG else "production")
