from django.db import migrations

FORWARD = """
CREATE FUNCTION audit_digest(e clinicalft_auditevent) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT encode(sha256(convert_to(jsonb_build_array(
        e.previous, e.chain, extract(epoch FROM e.at), e.actor_id, e.actor_name, e.act,
        e.object_type, e.object_id, e.reason, e.detail)::text, 'UTF8')), 'hex')
$$;

CREATE FUNCTION audit_chain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- One writer per chain at a time, until its transaction ends: ids and links then have one order.
    PERFORM pg_advisory_xact_lock(7741, (NEW.chain % 2147483647)::int);
    NEW.id := nextval(pg_get_serial_sequence('clinicalft_auditevent', 'id'));
    NEW.at := clock_timestamp();
    NEW.previous := coalesce(
        (SELECT digest FROM clinicalft_auditevent WHERE chain = NEW.chain ORDER BY id DESC LIMIT 1), '');
    NEW.digest := audit_digest(NEW);
    RETURN NEW;
END $$;

CREATE FUNCTION audit_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit events are never changed or removed';
END $$;

CREATE TRIGGER audit_chain BEFORE INSERT ON clinicalft_auditevent FOR EACH ROW EXECUTE FUNCTION audit_chain();
CREATE TRIGGER audit_frozen BEFORE UPDATE OR DELETE ON clinicalft_auditevent
    FOR EACH ROW EXECUTE FUNCTION audit_frozen();
CREATE TRIGGER audit_kept BEFORE TRUNCATE ON clinicalft_auditevent EXECUTE FUNCTION audit_frozen();
ALTER TABLE clinicalft_auditevent ENABLE ALWAYS TRIGGER audit_chain;
ALTER TABLE clinicalft_auditevent ENABLE ALWAYS TRIGGER audit_frozen;
ALTER TABLE clinicalft_auditevent ENABLE ALWAYS TRIGGER audit_kept;
"""

BACKWARD = """
DROP TRIGGER audit_kept ON clinicalft_auditevent;
DROP TRIGGER audit_frozen ON clinicalft_auditevent;
DROP TRIGGER audit_chain ON clinicalft_auditevent;
DROP FUNCTION audit_frozen();
DROP FUNCTION audit_chain();
DROP FUNCTION audit_digest(clinicalft_auditevent);
"""


class Migration(migrations.Migration):
    """The audit log chains and freezes itself in the database, whoever writes to it and however."""

    dependencies = [("clinicalft", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
