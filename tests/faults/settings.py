"""The product's settings with the jobs' patience cut short: minutes of waiting show nothing that seconds do not."""

from riskreg import environment as env
from riskreg.settings import *  # noqa: F403
from riskreg.settings import CELERY_BEAT_SCHEDULE, JOB_KINDS, STORAGES

JOB_KINDS = (*JOB_KINDS, "tests.faults.kinds.")
JOB_LEASE_SECONDS = env.integer("FAULTS_LEASE", default=3, low=1, high=120)
JOB_BELL_SECONDS = 1
JOB_BACKOFF_SECONDS = (0.5, 4.0)
CELERY_BEAT_SCHEDULE = {name: {**entry, "schedule": 1.0} for name, entry in CELERY_BEAT_SCHEDULE.items()}
EMAIL_TIMEOUT = 2
CELERY_WORKER_LOST_WAIT = 1.0
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
