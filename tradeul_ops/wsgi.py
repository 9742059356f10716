"""The web process's entrance. Does not start without a SECRET_KEY."""

import os

from django.core.wsgi import get_wsgi_application

from tradeul_ops.env import check_settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradeul_ops.settings")
# Django would notice an absent SECRET_KEY at the first login only. gunicorn starts a worker again and again unless it
# ends with 3.
check_settings("SECRET_KEY", exit_code=3)
application = get_wsgi_application()
