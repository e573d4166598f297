from django.db import migrations
from django.utils import timezone

from assessments.default_method import DEFAULT_METHOD


def add(apps, schema_editor):
    apps.get_model("assessments", "Method").objects.get_or_create(
        version=1, defaults={"state": "active", "definition": DEFAULT_METHOD, "activated_at": timezone.now()}
    )


class Migration(migrations.Migration):
    dependencies = [("assessments", "0001_methods_and_assessments")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
