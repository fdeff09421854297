from django.db import migrations, models

import clinicalft.crypto

# As in 0002, and now with the answer that came with the note.
FREEZE = """
CREATE OR REPLACE FUNCTION deidentified_note_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR
        (OLD.note_id, OLD.project_id, OLD.version, OLD.text, OLD.text_sha256, OLD.spans, OLD.gold, OLD.method,
         OLD.released_at)
        IS DISTINCT FROM
        (NEW.note_id, NEW.project_id, NEW.version, NEW.text, NEW.text_sha256, NEW.spans, NEW.gold, NEW.method,
         NEW.released_at)
    THEN
        RAISE EXCEPTION 'a released note is never changed: correct it as a new version';
    END IF;
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    """An answer that comes with a note is encrypted with it, and carried over to the de-identified text."""

    dependencies = [("annotation", "0006_code_search_weights")]

    operations = [
        migrations.AddField(
            model_name="deidentifiednote",
            name="gold",
            field=models.JSONField(
                help_text="The payload that came with the note, carried over to this text.", null=True
            ),
        ),
        # A column cannot turn into an encrypted one in place, and so far only demo data has any.
        migrations.RemoveField(model_name="note", name="gold"),
        migrations.AddField(
            model_name="note",
            name="gold",
            field=clinicalft.crypto.EncryptedJSONField(
                help_text="A payload that came with the note, about the original text.", null=True
            ),
        ),
        migrations.RunSQL(FREEZE, migrations.RunSQL.noop),
    ]
