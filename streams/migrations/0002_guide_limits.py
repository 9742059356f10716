"""Adds the five limits of the integration guide. A stream that has a limit already keeps it."""

from datetime import timedelta

from django.db import migrations

#          stream                        maxlen  trim_threshold  trim_interval in seconds
GUIDE = (
    ("snapshots:raw", 1000, 1200, 30),
    ("stream:ranking:deltas", 5000, 6000, 60),
    ("stream:realtime:aggregates", 3000, 4000, 45),
    ("tickers:filtered", 500, 600, 20),
    ("events:session", 100, 150, 60),
)


def _values(maxlen, trim_threshold, seconds):
    return {
        "maxlen": maxlen,
        "trim_threshold": trim_threshold,
        "trim_interval": timedelta(seconds=seconds),
        "approximate": True,
        "protect_groups": True,
        "hard_maxlen": 3 * maxlen,
    }


def add(apps, schema_editor):
    rows = apps.get_model("streams", "StreamLimit").objects.using(schema_editor.connection.alias)
    for stream, *values in GUIDE:
        rows.get_or_create(pattern=stream, is_ceiling=False, defaults=_values(*values))


def remove(apps, schema_editor):
    """Takes back what is still as it was added; a limit that somebody edited is theirs."""
    rows = apps.get_model("streams", "StreamLimit").objects.using(schema_editor.connection.alias)
    for stream, *values in GUIDE:
        rows.filter(
            pattern=stream, is_ceiling=False, priority=0, enabled=True, updated_by=None, **_values(*values)
        ).delete()


class Migration(migrations.Migration):
    dependencies = [("streams", "0001_initial")]
    operations = [migrations.RunPython(add, remove)]
