"""The web process's entrance for ASGI servers; the pages are the same. Does not start without a SECRET_KEY."""

import os

from django.core.asgi import get_asgi_application

from tradeul_ops.env import check_settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradeul_ops.settings")
check_settings("SECRET_KEY")  # Django would notice its absence at the first login only
application = get_asgi_application()
