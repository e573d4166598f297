from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0005_targets"),
        ("monitoring", "0005_targets_are_facts"),
    ]

    operations = [migrations.AlterModelTable(name="target", table=None)]
