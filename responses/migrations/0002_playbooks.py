"""The starting library of playbooks, from responses/playbook_library.json."""

import json
from pathlib import Path

from django.db import migrations

LIBRARY = Path(__file__).resolve().parent.parent / "playbook_library.json"


def add(apps, schema_editor):
    playbook = apps.get_model("responses", "Playbook")
    categories = {c.key: c for c in apps.get_model("risks", "Category").objects.all()}
    for item in json.loads(LIBRARY.read_text(encoding="utf-8")):
        values = {k: item[k] for k in ("kind", "title_en", "title_zh", "description_en", "description_zh")}
        values |= {k: item[k] for k in ("trigger_en", "trigger_zh")}
        values |= {
            "category": categories[item["category"]],
            "confidence": round(item["confidence"] * 100),
            "actions": [{**a, "effect": round(a["effect"] * 100)} for a in item["actions"]],
        }
        playbook.objects.get_or_create(key=item["key"], defaults=values)


class Migration(migrations.Migration):
    dependencies = [("responses", "0001_responses"), ("risks", "0002_categories")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
