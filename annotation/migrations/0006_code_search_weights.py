from django.contrib.postgres import search
from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models


class Migration(migrations.Migration):
    """A code's own name weighs more in the search than its other names."""

    dependencies = [("annotation", "0005_round_sizes")]

    operations = [
        migrations.RemoveIndex(model_name="code", name="code_search"),
        migrations.RemoveField(model_name="code", name="search"),
        migrations.AddField(
            model_name="code",
            name="search",
            field=models.GeneratedField(
                db_persist=True,
                expression=search.SearchVector("description", config="simple", weight="A")
                + search.SearchVector("terms", config="simple", weight="B"),
                output_field=search.SearchVectorField(),
            ),
        ),
        migrations.AddIndex(
            model_name="code",
            index=GinIndex(fields=["search"], name="code_search"),
        ),
    ]
