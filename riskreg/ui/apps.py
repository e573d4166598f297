from django.apps import AppConfig
from django.contrib.staticfiles.apps import StaticFilesConfig


class UiConfig(AppConfig):
    name = "riskreg.ui"
    label = "ui"


class ServedFilesConfig(StaticFilesConfig):
    """Of what the npm packages bring, only the files our pages name are collected and served."""

    ignore_patterns = [
        *StaticFilesConfig.ignore_patterns,
        *("*.rtl.*", "tabler-*", "tabler.css*", "tabler.js*", "*.esm.*", "ext"),
        *("htmx.amd.js", "htmx.cjs.js", "htmx.js", "*.d.ts", "*.gz"),
    ]
