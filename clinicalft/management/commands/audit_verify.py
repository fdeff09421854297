import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clinicalft.audit import verify


class Command(BaseCommand):
    """Proves the audit chains, or names the first event that was tampered with and exits with an error."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        found = verify()
        if options["json"]:
            self.stdout.write(json.dumps(asdict(found)))
        if not found.is_intact:
            raise CommandError(f"Audit event {found.first_bad_id} is not as it was written: {found.fault}.")
        if not options["json"]:
            self.stdout.write(f"{found.n_events} events in {found.n_chains} chains, all as they were written.")
