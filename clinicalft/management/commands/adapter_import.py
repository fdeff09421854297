import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clinicalft.access import Refused
from clinicalft.management.named import person_who_may, project_named
from clinicalft.roles import Permission
from training.actions.adapters import import_adapter


class Command(BaseCommand):
    """Imports the archive of an adapter that this site or one that it trusts has signed; checked before unpacking.

    Its base model has to be registered here. What is refused stands in the audit log, too.
    """

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="its short name, as in the address of its pages")
        parser.add_argument("file", type=Path, metavar="FILE.zip", help="the archive, as it was exported")
        parser.add_argument("--by", metavar="EMAIL", help="who imports it; needed when several admins could")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        project, path = project_named(options["project"]), options["file"]
        by = person_who_may(Permission.ADAPTER_IMPORT, project, options["by"], what="import adapters")
        try:
            with path.open("rb") as stream:
                adapter = import_adapter(project=project, file_name=path.name, stream=stream, by=by)
        except OSError as fault:
            raise CommandError(f"{path} cannot be read: {fault.strerror}.") from fault
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        if options["json"]:
            said = {
                "project": project.slug, "adapter": adapter.number, "sha256": adapter.sha256,
                "base_model": adapter.base_model.name,
            }  # fmt: skip
            self.stdout.write(json.dumps(said))
        else:
            self.stdout.write(f"Imported as {adapter}, on {adapter.base_model.name}; SHA-256 {adapter.sha256}.")
