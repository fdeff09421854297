from django.db import migrations

# As submitted annotations, whoever writes to the database and however.
FREEZE = """
CREATE TRIGGER agreement_frozen BEFORE UPDATE OR DELETE ON annotation_agreement
    FOR EACH ROW WHEN (OLD.status = 'DONE') EXECUTE FUNCTION annotation_version_frozen('a measured agreement');
CREATE TRIGGER adjudication_frozen BEFORE UPDATE OR DELETE ON annotation_adjudication
    FOR EACH ROW EXECUTE FUNCTION annotation_version_frozen('an adjudication');
"""
THAW = """
DROP TRIGGER adjudication_frozen ON annotation_adjudication;
DROP TRIGGER agreement_frozen ON annotation_agreement;
"""


class Migration(migrations.Migration):
    """What a gate has read and what was settled freeze in the database."""

    dependencies = [("annotation", "0007_gold_without_identifiers")]

    operations = [migrations.RunSQL(FREEZE, THAW)]
