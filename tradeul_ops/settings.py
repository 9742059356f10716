"""Django's settings, read from the environment (and `.env`). The README lists every variable with its default."""

import sys
from datetime import timedelta
from pathlib import Path

from tradeul_ops import env, logs

BASE_DIR = Path(__file__).resolve().parent.parent
env.read_file(BASE_DIR / ".env")

# --- who may come in -------------------------------------------------------------------------------------------------
DEBUG = env.boolean("DEBUG", False)
SECRET_KEY = env.text("SECRET_KEY", "only-for-debug-and-never-in-production-" * 2 if DEBUG else "")  # wsgi.py insists
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]"))
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS", ())
TOKENS = env.hashes("TOKENS")  # bearer tokens for machines, which only read: name → SHA-256; `manage.py token new`
METRICS_TOKEN = env.text("METRICS_TOKEN", "")  # one more, in plain text
READ_ONLY = env.boolean("TRADEUL_READ_ONLY", False)  # pages change nothing; tasks go on
PROXIES = env.integer("PROXIES", 0)  # in front of us that append to X-Forwarded-For
SNAPSHOT_ORIGINS = env.origins("SNAPSHOT_ORIGINS", ())  # whose pages may read /snapshot/…; empty: only our own

HTTPS = env.boolean("HTTPS", not DEBUG)
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
if HTTPS:
    # A browser then takes them of this host alone and by https alone: no other page under the domain can plant one.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
SECURE_HSTS_SECONDS = env.integer("HSTS_SECONDS", 31_536_000) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^(healthz|readyz|metrics)$"]  # asked in plain HTTP, beside the container
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
# Nothing from elsewhere and nothing inline, in development too.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

# --- servers ---------------------------------------------------------------------------------------------------------
DATABASES = {
    "default": {
        **env.database("DATABASE_URL", "postgres://tradeul@localhost:5432/tradeul"),
        "CONN_MAX_AGE": 600,  # what is broken is noticed before it is used, by the line below
        "CONN_HEALTH_CHECKS": True,
    }
}
DATABASES["default"]["OPTIONS"] = {
    "connect_timeout": 3,
    # A server that vanishes without a word is noticed within half a minute; the kernel's own patience is two hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
    **DATABASES["default"].get("OPTIONS", {}),
    # Who waits for somebody else's lock gives up: a page's thread would wait as long as a VACUUM FULL takes.
    # Compiling a query over many chunks takes longer than running it.
    "options": f"-c lock_timeout=10s -c jit=off {DATABASES['default'].get('OPTIONS', {}).get('options', '')}".strip(),
}
REDIS_URL = env.redis_url("REDIS_URL", "redis://localhost:6379/0")
CELERY_BROKER_URL = env.redis_url("CELERY_BROKER_URL", "redis://localhost:6380/0", cluster=False)

RETENTION_GRACE = timedelta(minutes=env.integer("RETENTION_GRACE_MINUTES", 60))  # before a shortened bound drops

# --- the application -------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "tradeul_ops.console",
    "streams",
    "snapshots",
    "timescale",
    "django_htmx",
    "csp",
    "axes",
    "tradeul_ops.console.admin_site.Config",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "tradeul_ops.console.request_ids.name_requests",
    "tradeul_ops.console.machines.refuse_plain_http",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "tradeul_ops.console.middleware.keep_out_of_caches",
    "csp.middleware.CSPMiddleware",
    "tradeul_ops.console.read_only.refuse_changes",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "tradeul_ops.console.idle.end_idle_sessions",
    "tradeul_ops.console.read_only.hide_changes",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "tradeul_ops.console.zones.show_in_zone",
    "tradeul_ops.console.explain.explain",
    "tradeul_ops.console.middleware.DatabaseAway",
    "tradeul_ops.console.middleware.TextUnstorable",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "tradeul_ops.urls"
WSGI_APPLICATION = "tradeul_ops.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["django.templatetags.i18n", "tradeul_ops.console.templatetags.texts"],  # every text is marked
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tradeul_ops.console.context.findings",
                "tradeul_ops.console.read_only.context",
                "tradeul_ops.console.zones.context",
            ],
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_AGE = 12 * 3600  # from the login on: one shift
SESSION_IDLE_AFTER = timedelta(minutes=env.integer("SESSION_IDLE_MINUTES", 120))  # 0: sessions end by their age alone
CSRF_COOKIE_HTTPONLY = True  # forms carry the token; no script reads the cookie
# The throttle is asked first.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_HANDLER = "tradeul_ops.console.throttle.ThrottleHandler"
AXES_CLIENT_IP_CALLABLE = "tradeul_ops.console.throttle.client_address"
# Name and address together: a stranger locks out nobody but himself.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=10)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # an impatient person gets in after ten minutes all the same
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_LOCKOUT_TEMPLATE = "login_locked.html"
AXES_VERBOSE = False
AXES_SENSITIVE_PARAMETERS = ["username"]  # a password typed as the name must not stand in the log; the address may

STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # read where they are, once at the start: nothing to collect, nothing to forget
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}

LANGUAGE_CODE = "en"
LOCALE_PATHS = [BASE_DIR / "locale"]
# Offered once its catalogue is there: with Django's own alone a page would be half in one language, half in another.
LANGUAGES = [
    (code, name)
    for code, name in (("en", "English"), ("es", "Español"))
    if code == LANGUAGE_CODE or (BASE_DIR / "locale" / code / "LC_MESSAGES" / "django.mo").exists()
]
TIME_ZONE = "UTC"
USE_TZ = True

# --- streams ---------------------------------------------------------------------------------------------------------
ABANDONED_GROUP_AFTER = timedelta(seconds=env.integer("ABANDONED_GROUP_SECONDS", 3600, minimum=60))

# --- Celery (the beat schedule is in celery.py) ----------------------------------------------------------------------
CELERY_ACCEPT_CONTENT, CELERY_TASK_SERIALIZER = ["json"], "json"  # never pickle, whatever a message says of itself
CELERY_TASK_IGNORE_RESULT = True  # every run is a row of ours; a result backend would be one more thing to bound
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Without max_retries a publisher tries an absent broker for 6 s (measured), whatever TASK_PUBLISH_RETRY says.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 300, "max_retries": 1, "interval_start": 0}
CELERY_TASK_PUBLISH_RETRY = False  # a page must not hang because the broker is away; beat makes up for it
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
# Celery would close the thread's connection before and after each task: 5 ms of the worker's CPU, and as many of
# PostgreSQL's, a task. celery.py lets Django close those that are old or broken, as between requests.
CELERY_DB_REUSE_MAX = sys.maxsize
CELERY_BEAT_SCHEDULER = "tradeul_ops.liveness:StampingScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 2
CELERY_BEAT_SCHEDULE_FILENAME = env.text("BEAT_SCHEDULE_FILE", "celerybeat-schedule")
CELERY_TIMEZONE = "UTC"

# --- logs: one line an event, the level spelled out ------------------------------------------------------------------
LOGGING = logs.config(
    format=env.one_of("LOG_FORMAT", logs.FORMATS, "console"), level=env.one_of("LOG_LEVEL", env.LOG_LEVELS, "INFO")
)
if SENTRY_DSN := env.text("SENTRY_DSN", ""):
    from tradeul_ops import sentry

    sentry.start(SENTRY_DSN)
