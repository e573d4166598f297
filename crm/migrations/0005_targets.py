"""Targets are facts that rules look at too: the table of monitoring's becomes ours, with its rows."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_people_and_teams"),
        ("crm", "0004_facts_and_connections"),
        ("monitoring", "0004_indicators_alerts_and_notices"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="Target",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("name", models.CharField(max_length=100, verbose_name="name")),
                        ("starts_on", models.DateField(verbose_name="from")),
                        ("ends_on", models.DateField(verbose_name="until")),
                        (
                            "amount",
                            models.DecimalField(
                                decimal_places=2,
                                max_digits=16,
                                validators=[django.core.validators.MinValueValidator(0)],
                                verbose_name="target",
                            ),
                        ),
                        (
                            "expected",
                            models.DecimalField(
                                decimal_places=2,
                                help_text="What you would sell in the period if none of the risks happened.",
                                max_digits=16,
                                validators=[django.core.validators.MinValueValidator(0)],
                                verbose_name="expected revenue",
                            ),
                        ),
                        (
                            "team",
                            models.ForeignKey(
                                blank=True,
                                help_text="With the teams below it; empty for everything.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="accounts.team",
                                verbose_name="team",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "revenue target",
                        "verbose_name_plural": "revenue targets",
                        "db_table": "monitoring_revenuetarget",
                        "ordering": ["-ends_on", "name"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("ends_on__gt", models.F("starts_on"))), name="target_dates_in_order"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("amount__gte", 0), ("expected__gte", 0)), name="target_not_negative"
                            ),
                        ],
                    },
                ),
            ],
        ),
    ]
