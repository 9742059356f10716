from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("streams", "0006_nameless_streams"),
    ]

    operations = [
        migrations.AddField(
            model_name="enforcement",
            name="under_way",
            field=models.JSONField(blank=True, db_default={}, default=dict),
        ),
    ]
