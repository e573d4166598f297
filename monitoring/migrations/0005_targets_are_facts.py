import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0005_targets"),
        ("monitoring", "0004_indicators_alerts_and_notices"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="forecast",
                    name="target",
                    field=models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="crm.target",
                        verbose_name="target",
                    ),
                ),
                migrations.DeleteModel(name="RevenueTarget"),
            ],
        ),
    ]
