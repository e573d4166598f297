"""The product's settings, made quick and closed to the outside for tests."""

from riskreg.settings import *  # noqa: F403
from riskreg.settings import DATABASES, STORAGES, VAR_DIR

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
CELERY_TASK_ALWAYS_EAGER = False
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # SQLite in memory knows no waiting for a lock between threads, so races could not be tested there.
    DATABASES["default"]["TEST"] = {"NAME": VAR_DIR / "test.sqlite3"}
