"""The one row of settings is there from the start, so that no page has to write it."""

from django.db import migrations


def create(apps, schema_editor):
    apps.get_model("monitoring", "MonitoringSettings").objects.get_or_create(pk=1)


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0001_monitoring")]

    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
