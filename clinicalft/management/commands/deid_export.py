import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.actions.training_set import export_training_set, training_lines
from clinicalft.access import Refused
from clinicalft.crypto import Undecipherable
from clinicalft.management.files import new_file
from clinicalft.management.named import person_named, project_named


class Command(BaseCommand):
    """Writes the reviewed notes of a project with their final spans as JSON Lines, for deid_train and deid_score.

    The file holds originals: only its owner may read it, an existing file is never overwritten, and the export is in
    the audit log as the act of the privacy officer --by names."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="its short name, as in the address of its pages")
        parser.add_argument("out", type=Path, metavar="OUT.jsonl")
        parser.add_argument("--by", metavar="EMAIL", required=True, help="the privacy officer whose act it is")

    def handle(self, *args: Any, **options: Any) -> None:
        project = project_named(options["project"])
        by = person_named(options["by"])
        path, n_notes = options["out"], 0
        try:
            with new_file(path) as file:
                for line in training_lines(export_training_set(project, by=by)):
                    file.write(f"{json.dumps(line, ensure_ascii=False)}\n".encode())
                    n_notes += 1
        except (Refused, Undecipherable) as fault:
            raise CommandError(str(fault)) from fault
        self.stdout.write(
            f"{n_notes} reviewed notes are in {path}. They are originals: keep the file as safe as those."
        )
