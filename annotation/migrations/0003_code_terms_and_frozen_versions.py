import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.db import migrations, models

# Versions and submitted work are never changed, whoever writes to the database and however.
FREEZE = """
CREATE FUNCTION annotation_version_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is never changed or removed: a correction is a new row', TG_ARGV[0];
END $$;
CREATE TRIGGER schema_frozen BEFORE UPDATE OR DELETE ON annotation_schema
    FOR EACH ROW EXECUTE FUNCTION annotation_version_frozen('a schema version');
CREATE TRIGGER guideline_frozen BEFORE UPDATE OR DELETE ON annotation_guideline
    FOR EACH ROW EXECUTE FUNCTION annotation_version_frozen('a guideline version');
CREATE TRIGGER annotation_frozen BEFORE UPDATE OR DELETE ON annotation_annotation
    FOR EACH ROW WHEN (OLD.status = 'SUBMITTED') EXECUTE FUNCTION annotation_version_frozen('a submitted annotation');
"""
THAW = """
DROP TRIGGER annotation_frozen ON annotation_annotation;
DROP TRIGGER guideline_frozen ON annotation_guideline;
DROP TRIGGER schema_frozen ON annotation_schema;
DROP FUNCTION annotation_version_frozen();
"""


class Migration(migrations.Migration):
    """Codes are found by their other names, too; versions and submitted annotations freeze in the database."""

    dependencies = [("annotation", "0002_uploads_and_reviews")]

    operations = [
        migrations.RemoveIndex(model_name="code", name="code_search"),
        migrations.RemoveField(model_name="code", name="search"),
        migrations.AddField(
            model_name="code",
            name="terms",
            field=models.TextField(
                blank=True, default="", help_text="Other names that the code set lists for it, for the search."
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="code",
            name="search",
            field=models.GeneratedField(
                db_persist=True,
                expression=django.contrib.postgres.search.SearchVector("description", "terms", config="simple"),
                output_field=django.contrib.postgres.search.SearchVectorField(),
            ),
        ),
        migrations.AddIndex(
            model_name="code",
            index=django.contrib.postgres.indexes.GinIndex(fields=["search"], name="code_search"),
        ),
        migrations.AddIndex(
            model_name="code",
            index=models.Index(fields=["code"], name="code_prefix", opclasses=["varchar_pattern_ops"]),
        ),
        migrations.RunSQL(FREEZE, THAW),
    ]
