import json
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from annotation.models import Code
from clinicalft.demo import people, published, sections, visits
from clinicalft.models import Project


class Command(BaseCommand):
    """Builds the demo projects by the real actions; what is there already stays as it is."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--if-empty", action="store_true", help="do nothing when there is any project of your own")
        parser.add_argument("--logins", action="store_true", help="only print who can log in")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["logins"]:
            self._print_logins(options["json"])
            return
        if settings.PRODUCTION:
            raise CommandError("The demo has a published password, so it is not built in PRODUCTION.")
        ours = {module.NAME for module in (visits, sections, published)}
        if options["if_empty"] and Project.objects.exclude(name__in=ours).exists():
            return
        if not Code.objects.exists():
            self._say("loading ICD-10-CM codes")
            call_command("load_codes", stdout=self.stderr)
        cast = people.make_people()
        for module in (visits, sections, published):
            if not Project.objects.filter(name=module.NAME).exists():
                self._say(f"building the project {module.NAME}")
                # All of a project or nothing: a demo that was interrupted is built again from the start.
                with transaction.atomic():
                    module.build(cast)
        if not options["if_empty"]:
            self._print_logins(options["json"])

    def _say(self, line: str) -> None:
        self.stderr.write(f"demo: {line}")

    def _print_logins(self, as_json: bool) -> None:
        rows = people.logins()
        if as_json:
            self.stdout.write(json.dumps([{"email": e, "password": p, "name": n} for e, p, n in rows]))
        else:
            for email, password, name in rows:
                self.stdout.write(f"{name:<18} {email:<22} {password}")
