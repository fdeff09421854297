from django.db import migrations, models

# What a report stands on is never changed, whoever writes to the database and however.
FREEZE = """
CREATE FUNCTION evaluation_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is never changed or removed', TG_ARGV[0];
END $$;
CREATE TRIGGER output_frozen BEFORE UPDATE OR DELETE ON evaluation_output
    FOR EACH ROW EXECUTE FUNCTION evaluation_frozen('an output');
CREATE TRIGGER rating_frozen BEFORE UPDATE OR DELETE ON evaluation_rating
    FOR EACH ROW WHEN (OLD.status = 'SUBMITTED') EXECUTE FUNCTION evaluation_frozen('a submitted rating');
CREATE TRIGGER harm_review_frozen BEFORE UPDATE OR DELETE ON evaluation_harmreview
    FOR EACH ROW EXECUTE FUNCTION evaluation_frozen('a harm review');
CREATE TRIGGER report_frozen BEFORE UPDATE OR DELETE ON evaluation_report
    FOR EACH ROW WHEN (OLD.status = 'DONE') EXECUTE FUNCTION evaluation_frozen('a published report');
CREATE TRIGGER signature_frozen BEFORE UPDATE OR DELETE ON evaluation_signature
    FOR EACH ROW EXECUTE FUNCTION evaluation_frozen('a signature');
"""
THAW = """
DROP TRIGGER signature_frozen ON evaluation_signature;
DROP TRIGGER report_frozen ON evaluation_report;
DROP TRIGGER harm_review_frozen ON evaluation_harmreview;
DROP TRIGGER rating_frozen ON evaluation_rating;
DROP TRIGGER output_frozen ON evaluation_output;
DROP FUNCTION evaluation_frozen();
"""


class Migration(migrations.Migration):
    """Ratings have drafts with a revision; what a report stands on freezes in the database."""

    dependencies = [("evaluation", "0001_initial")]
    operations = [
        migrations.AddField(
            model_name="rating",
            name="revision",
            field=models.PositiveIntegerField(
                default=0, help_text="Raised by every saved draft: two windows cannot fight."
            ),
        ),
        migrations.AlterField(
            model_name="output",
            name="finish",
            field=models.CharField(blank=True, help_text="stop, length (cut off) or prompt-too-long.", max_length=20),
        ),
        migrations.AlterField(
            model_name="rating",
            name="seconds",
            field=models.PositiveIntegerField(default=0, help_text="Time that the output was open and in use."),
        ),
        migrations.AlterField(
            model_name="signature",
            name="meaning",
            field=models.CharField(
                choices=[("APPROVED", "Approved for release"), ("REJECTED", "Rejected")], max_length=20
            ),
        ),
        migrations.RunSQL(FREEZE, THAW),
    ]
