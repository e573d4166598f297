from __future__ import annotations

from django.db import models
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _


def localised(name_en: str, name_zh: str) -> str:
    """The text in the language of the page; the other one when this one is blank."""
    first, second = (name_zh, name_en) if (get_language() or "").startswith("zh") else (name_en, name_zh)
    return first or second


class CategoryQuerySet(models.QuerySet["Category"]):
    def in_use(self) -> CategoryQuerySet:
        return self.filter(archived=False)


class Category(models.Model):
    """A source of risk. Five come with the product; administrators add, rename and archive."""

    key = models.SlugField(_("key"), max_length=50, unique=True)
    name_en = models.CharField(_("name in English"), max_length=80, unique=True)
    name_zh = models.CharField(_("name in Chinese"), max_length=80, blank=True)
    position = models.PositiveSmallIntegerField(_("position"), default=100)
    archived = models.BooleanField(
        _("archived"),
        default=False,
        help_text=_("Archived categories stay on old risks, but no new risk can take one."),
    )

    objects = CategoryQuerySet.as_manager()

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        ordering = ["position", "name_en"]

    def __str__(self) -> str:
        return localised(self.name_en, self.name_zh)
