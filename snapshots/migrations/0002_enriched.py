"""Adds the policy of the integration guide's snapshot. One that is there already stays as it is."""

from datetime import timedelta

from django.db import migrations

ENRICHED = {
    "source_kind": "hash",
    "source_key": "snapshot:enriched:latest",
    "build_interval": timedelta(seconds=5),
    "full_snapshot_interval": timedelta(seconds=300),
    "delta_compression_threshold": 100,
    "compression_level": 9,
    "max_delta_ratio": 0.6,
    "full_ttl": timedelta(minutes=15),
    "delta_ttl": timedelta(seconds=60),
    "is_default": True,
}


def add(apps, schema_editor):
    rows = apps.get_model("snapshots", "SnapshotPolicy").objects.using(schema_editor.connection.alias)
    default = not rows.filter(is_default=True).exists()
    rows.get_or_create(name="enriched", defaults={**ENRICHED, "is_default": default})


def remove(apps, schema_editor):
    """Takes back what is still as it was added; a policy that somebody edited is theirs."""
    rows = apps.get_model("snapshots", "SnapshotPolicy").objects.using(schema_editor.connection.alias)
    rows.filter(name="enriched", enabled=True, updated_by=None, **ENRICHED).delete()


class Migration(migrations.Migration):
    dependencies = [("snapshots", "0001_initial")]
    operations = [migrations.RunPython(add, remove)]
