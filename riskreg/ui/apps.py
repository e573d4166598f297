from django.apps import AppConfig


class UiConfig(AppConfig):
    name = "riskreg.ui"
    label = "ui"
