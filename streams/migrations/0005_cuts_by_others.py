from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("streams", "0004_help_texts_to_forms"),
    ]

    operations = [
        migrations.AddField(
            model_name="enforcement",
            name="sampled_to",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="trimrun",
            name="by_others",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
