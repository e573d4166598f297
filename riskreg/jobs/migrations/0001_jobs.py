import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Schedule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, unique=True, verbose_name='name')),
                ('next_due', models.DateTimeField(verbose_name='next due')),
                ('last_due', models.DateTimeField(blank=True, null=True, verbose_name='last due')),
            ],
            options={
                'verbose_name': 'schedule',
                'verbose_name_plural': 'schedules',
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='Job',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=200, verbose_name='kind')),
                ('payload', models.JSONField(blank=True, default=dict, verbose_name='payload')),
                ('key', models.CharField(blank=True, max_length=200, null=True, unique=True, verbose_name='key')),
                ('state', models.CharField(choices=[('ready', 'Waiting'), ('leased', 'Running'), ('done', 'Done'), ('dead', 'Given up')], default='ready', max_length=6, verbose_name='state')),
                ('run_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='not before')),
                ('attempts', models.PositiveSmallIntegerField(default=0, verbose_name='attempts')),
                ('max_attempts', models.PositiveSmallIntegerField(default=5, verbose_name='most attempts')),
                ('lease_until', models.DateTimeField(blank=True, null=True, verbose_name='lease until')),
                ('token', models.UUIDField(blank=True, editable=False, null=True, verbose_name='token')),
                ('error', models.TextField(blank=True, default='', verbose_name='last error')),
                ('done', models.PositiveIntegerField(default=0, verbose_name='units done')),
                ('total', models.PositiveIntegerField(blank=True, null=True, verbose_name='units in all')),
                ('result', models.JSONField(blank=True, null=True, verbose_name='result')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created')),
                ('started_at', models.DateTimeField(blank=True, null=True, verbose_name='started')),
                ('finished_at', models.DateTimeField(blank=True, null=True, verbose_name='finished')),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='started by')),
            ],
            options={
                'verbose_name': 'job',
                'verbose_name_plural': 'jobs',
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['state', 'run_at'], name='job_state_run_at')],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['ready', 'leased', 'done', 'dead'])), name='job_state_known'), models.CheckConstraint(condition=models.Q(models.Q(('lease_until__isnull', False), ('state', 'leased'), ('token__isnull', False)), models.Q(models.Q(('state', 'leased'), _negated=True), ('lease_until__isnull', True), ('token__isnull', True)), _connector='OR'), name='job_lease_only_while_leased'), models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', False), ('state__in', ['done', 'dead'])), models.Q(models.Q(('state__in', ['done', 'dead']), _negated=True), ('finished_at__isnull', True)), _connector='OR'), name='job_finished_at_when_finished'), models.CheckConstraint(condition=models.Q(('attempts__lte', models.F('max_attempts')), ('max_attempts__gte', 1)), name='job_attempts_within_limit'), models.CheckConstraint(condition=models.Q(('key', ''), _negated=True), name='job_key_not_empty')],
            },
        ),
    ]
