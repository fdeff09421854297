from django.db import migrations

# What a model was trained on and what came of it is never changed, whoever writes to the database and however.
FREEZE = """
CREATE TRIGGER dataset_frozen BEFORE UPDATE OR DELETE ON training_dataset
    FOR EACH ROW WHEN (OLD.status = 'DONE') EXECUTE FUNCTION annotation_version_frozen('a frozen dataset');
CREATE TRIGGER dataset_round_frozen BEFORE UPDATE OR DELETE ON training_datasetround
    FOR EACH ROW EXECUTE FUNCTION annotation_version_frozen('the source of a dataset');
CREATE TRIGGER example_frozen BEFORE UPDATE OR DELETE ON training_example
    FOR EACH ROW EXECUTE FUNCTION annotation_version_frozen('an example of a dataset');
CREATE TRIGGER adapter_frozen BEFORE UPDATE OR DELETE ON training_adapter
    FOR EACH ROW EXECUTE FUNCTION annotation_version_frozen('an adapter');
"""
THAW = """
DROP TRIGGER adapter_frozen ON training_adapter;
DROP TRIGGER example_frozen ON training_example;
DROP TRIGGER dataset_round_frozen ON training_datasetround;
DROP TRIGGER dataset_frozen ON training_dataset;
"""


class Migration(migrations.Migration):
    """Datasets, their examples and adapters freeze in the database."""

    dependencies = [
        ("annotation", "0003_code_terms_and_frozen_versions"),
        ("training", "0002_event_lines_and_gold_rounds"),
    ]

    operations = [migrations.RunSQL(FREEZE, THAW)]
