from django.db import migrations


def encode(apps, schema_editor):
    """Four bits a dimension, in the order of the method's dimensions; assessments of equal levels at once."""
    Method, Assessment = apps.get_model("assessments", "Method"), apps.get_model("assessments", "Assessment")
    for method in Method.objects.all():
        places = {dimension["key"]: place for place, dimension in enumerate(method.definition["dimensions"])}
        of_code = {}
        for pk, levels in Assessment.objects.filter(method=method).values_list("pk", "impact_levels").iterator():
            code = sum(level << (4 * places[key]) for key, level in levels.items())
            of_code.setdefault(code, []).append(pk)
        for code, pks in of_code.items():
            for start in range(0, len(pks), 1000):
                Assessment.objects.filter(pk__in=pks[start : start + 1000]).update(impact_code=code)


def decode(apps, schema_editor):
    Method, Assessment = apps.get_model("assessments", "Method"), apps.get_model("assessments", "Assessment")
    for method in Method.objects.all():
        keys = [dimension["key"] for dimension in method.definition["dimensions"]]
        for code in Assessment.objects.filter(method=method).values_list("impact_code", flat=True).distinct():
            levels = {key: (code >> (4 * place)) & 15 for place, key in enumerate(keys)}
            Assessment.objects.filter(method=method, impact_code=code).update(
                impact_levels={key: level for key, level in levels.items() if level}
            )


class Migration(migrations.Migration):
    dependencies = [("assessments", "0003_versions_numbers_and_opinions")]
    operations = [migrations.RunPython(encode, decode)]
