"""Every string has its Simplified Chinese, complete and current."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("riskreg", "crm", "risks", "assessments", "responses", "monitoring", "templates", "locale")
_PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|%%")


def catalog(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale="zh_Hans")


def messages(of: Catalog) -> list[Message]:
    return [message for message in of if message.id]


@pytest.mark.gettext
def test_no_string_is_missing_untranslated_or_fuzzy(tmp_path: Path) -> None:
    for name in SOURCES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))
    shutil.copy(ROOT / "manage.py", tmp_path)
    command = ["manage.py", "makemessages", "--locale", "zh_Hans", "--no-obsolete", "--no-location"]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "riskreg.settings"}
    subprocess.run([sys.executable, *command], cwd=tmp_path, env=environment, check=True, capture_output=True)
    po = Path("locale/zh_Hans/LC_MESSAGES/django.po")
    fresh, ours = catalog(tmp_path / po), catalog(ROOT / po)
    untranslated = [m.id for m in messages(fresh) if m.fuzzy or not m.string or (m.pluralizable and not all(m.string))]
    assert untranslated == []
    assert {str(m.id) for m in messages(fresh)} == {str(m.id) for m in messages(ours)}, "run make messages"
    assert not ours.fuzzy
    assert len(messages(fresh)) > 500


def test_translations_keep_their_placeholders() -> None:
    wrong = []
    for message in messages(catalog(ROOT / "locale/zh_Hans/LC_MESSAGES/django.po")):
        ids = message.id if isinstance(message.id, tuple | list) else [message.id]
        strings = message.string if isinstance(message.string, tuple | list) else [message.string]
        wanted = set(_PLACEHOLDER.findall(ids[-1]))
        wrong += [ids[-1] for text in strings if set(_PLACEHOLDER.findall(text)) != wanted]
    assert wrong == []
