"""The project's settings with test values in the environment; fixtures put the servers' addresses in."""

import os

os.environ.setdefault("SECRET_KEY", "tests-only-" * 6)
os.environ.setdefault("HTTPS", "false")

from tradeul_ops.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
