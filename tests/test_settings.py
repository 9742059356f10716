"""Wrong settings end in one line that names the variable; nothing secret is repeated in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from tradeul_ops import env

WRONG = [
    ("DATABASE_URL", "mysql://u@h/db", "must start with"),
    ("DATABASE_URL", "postgres://u@h:99999/db", "a number up to 65535"),
    ("DATABASE_URL", "postgres://u:s3cr/et@h:5432/db", "percent-encoded"),
    ("DATABASE_URL", "postgres://u@h:5432", "names no database"),
    ("DATABASE_URL", "postgres:///db", "names no host"),
    ("REDIS_URL", "localhost:6379", "must start with"),
    ("REDIS_URL", "redis://localhost:sixty/0", "a number up to 65535"),
    ("REDIS_URL", "redis://localhost:6379/abc", "no database number"),
    ("REDIS_URL", "redis://localhost:6379/0?socket_timeout=abc", "options after ?"),
    ("CELERY_BROKER_URL", "redis+cluster://localhost:6379/0", "must start with"),
    ("LOG_LEVEL", "loud", "none of DEBUG"),
    ("CELERY_BROKER_URL", "redis://localhost:0/0", "port 0"),
    ("DEBUG", "perhaps", "neither true nor false"),
    ("HSTS_SECONDS", "long", "not a whole number"),
]


@pytest.mark.parametrize(("name", "value", "reason"), WRONG)
def test_a_wrong_variable_is_named_in_one_line(name: str, value: str, reason: str, repository: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=repository,
        env={**os.environ, "HTTPS": "true", name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    assert ended.stderr.startswith(f"tradeul_ops: {name}: ")
    assert reason in ended.stderr
    assert "s3cr" not in ended.stderr


def test_a_password_is_not_repeated_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://user:geheim@host/db")
    with pytest.raises(ImproperlyConfigured) as caught:
        env.database("DATABASE_URL", "")
    assert "geheim" not in str(caught.value)
    assert "host/db" in str(caught.value)


@pytest.mark.parametrize("program", ["celery -A tradeul_ops inspect ping", "gunicorn tradeul_ops.wsgi"])
def test_other_programs_say_it_in_one_line_too(program: str, repository: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", *program.split()],
        cwd=repository,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tradeul_ops.settings", "REDIS_URL": "localhost"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr, ended.stderr
    assert "tradeul_ops: REDIS_URL: 'localhost' must start with" in ended.stderr


def test_a_value_may_begin_with_a_dollar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS_TOKEN", "$tok3n")
    assert env.text("METRICS_TOKEN", "") == "$tok3n"


def test_web_does_not_start_without_a_secret_key(repository: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "SECRET_KEY"}
    environment |= {"DJANGO_SETTINGS_MODULE": "tradeul_ops.settings", "DEBUG": "false"}
    ended = subprocess.run(
        [sys.executable, "-c", "import tradeul_ops.wsgi"],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert "SECRET_KEY" in ended.stderr


@pytest.mark.parametrize("said", ["*", "app.example.com", "https://app.example.com/", "https://a.b:x", "null"])
def test_what_is_no_origin_ends_the_start(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("SNAPSHOT_ORIGINS", f"http://localhost:3000, {said}")
    with pytest.raises(ImproperlyConfigured, match=r"SNAPSHOT_ORIGINS.*is no origin"):
        env.origins("SNAPSHOT_ORIGINS", ())


def test_origins_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPSHOT_ORIGINS", "https://app.example.com,http://[::1]:3000")
    assert env.origins("SNAPSHOT_ORIGINS", ()) == ["https://app.example.com", "http://[::1]:3000"]
