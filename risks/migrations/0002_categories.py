from django.db import migrations

CATEGORIES = [
    ("market", "Market environment", "市场环境"),
    ("customer", "Customer behaviour", "客户行为"),
    ("competitor", "Competitors", "竞争对手"),
    ("process", "Internal process", "内部流程"),
    ("compliance", "Compliance", "合规"),
]


def add(apps, schema_editor):
    category = apps.get_model("risks", "Category")
    for position, (key, en, zh) in enumerate(CATEGORIES, start=1):
        category.objects.get_or_create(key=key, defaults={"name_en": en, "name_zh": zh, "position": position * 10})


class Migration(migrations.Migration):
    dependencies = [("risks", "0001_register")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
