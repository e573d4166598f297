"""The database itself refuses to change a ledger row, whoever asks."""

from django.db import migrations

SQLITE = """
CREATE TRIGGER score_ledger_append_only BEFORE UPDATE ON risks_scoreentry
BEGIN SELECT RAISE(ABORT, 'the score ledger is append-only'); END;
"""
POSTGRESQL = """
CREATE FUNCTION score_ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the score ledger is append-only'; END $$;
CREATE TRIGGER score_ledger_append_only BEFORE UPDATE OR DELETE ON risks_scoreentry
FOR EACH ROW EXECUTE FUNCTION score_ledger_append_only();
"""


def forwards(apps, schema_editor):
    schema_editor.execute(SQLITE if schema_editor.connection.vendor == "sqlite" else POSTGRESQL)


def backwards(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute("DROP TRIGGER score_ledger_append_only")
    else:
        schema_editor.execute("DROP TRIGGER score_ledger_append_only ON risks_scoreentry")
        schema_editor.execute("DROP FUNCTION score_ledger_append_only()")


class Migration(migrations.Migration):
    dependencies = [("risks", "0002_categories")]
    operations = [migrations.RunPython(forwards, backwards)]
