"""The database itself refuses to change what a version says once it was active, whoever asks."""

from django.db import migrations

SQLITE = """
CREATE TRIGGER method_is_immutable BEFORE UPDATE OF definition, version, state ON assessments_method
WHEN OLD.state <> 'draft'
AND (OLD.definition <> NEW.definition OR OLD.version <> NEW.version OR NEW.state = 'draft')
BEGIN SELECT RAISE(ABORT, 'a scoring method that was active never changes'); END;
"""
POSTGRESQL = """
CREATE FUNCTION method_is_immutable() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'a scoring method that was active never changes'; END $$;
CREATE TRIGGER method_is_immutable BEFORE UPDATE OF definition, version, state ON assessments_method
FOR EACH ROW WHEN (OLD.state <> 'draft'
    AND (OLD.definition IS DISTINCT FROM NEW.definition OR OLD.version <> NEW.version OR NEW.state = 'draft'))
EXECUTE FUNCTION method_is_immutable();
"""


def forwards(apps, schema_editor):
    schema_editor.execute(SQLITE if schema_editor.connection.vendor == "sqlite" else POSTGRESQL)


def backwards(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute("DROP TRIGGER method_is_immutable")
    else:
        schema_editor.execute("DROP TRIGGER method_is_immutable ON assessments_method")
        schema_editor.execute("DROP FUNCTION method_is_immutable()")


class Migration(migrations.Migration):
    dependencies = [("assessments", "0005_impact_levels_dropped")]
    operations = [migrations.RunPython(forwards, backwards)]
