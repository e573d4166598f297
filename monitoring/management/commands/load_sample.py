"""Load the sample register into an empty database."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from monitoring.sample import PASSWORD, Sample
from riskreg.accounts.models import User


class Command(BaseCommand):
    help = "Load the sample register: two invented companies, about 60 risks and a year of history."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--first-start", action="store_true", help="do nothing when anybody is there already")
        parser.add_argument("--force", action="store_true", help="load although DATABASE_URL is set")

    def handle(self, *args: Any, **options: Any) -> None:
        if User.objects.exists():
            if options["first_start"]:
                return
            raise CommandError("There are people in this register already; the sample needs an empty one.")
        if not settings.EMBEDDED and not options["force"]:
            raise CommandError("The sample has a known password. Say --force to load it into this database.")
        self.stdout.write("Loading the sample register …")
        Sample(timezone.now()).load()
        self.stdout.write(f"Sample register loaded. Everybody's password is {PASSWORD}")
