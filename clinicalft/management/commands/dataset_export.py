import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from clinicalft.access import Refused
from clinicalft.management.files import new_file
from clinicalft.management.named import numbered, person_who_may, project_named
from clinicalft.roles import Permission
from training.actions.datasets import record_download
from training.exports import ARCHIVE, FORMATS, archive, dataset_lines
from training.formats import FormatRefused
from training.models import Dataset, Split


class Command(BaseCommand):
    """Writes a frozen dataset: the archive of every form, with manifest and card, or one part in one form.

    The file holds texts of notes: only its owner may read it, an existing file is never overwritten, and whoever takes
    it stands in the audit log.
    """

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="its short name, as in the address of its pages")
        parser.add_argument("dataset", type=int, metavar="NUMBER")
        parser.add_argument(
            "out", type=Path, metavar="OUT", help="a new file: a zip archive, or with --form JSON Lines"
        )
        parser.add_argument("--form", choices=list(FORMATS), help="one form instead of the archive")
        parser.add_argument("--split", choices=[split.lower() for split in Split.values], help="which part of it")
        parser.add_argument("--by", metavar="EMAIL", help="who takes it; needed when several leads could")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        project, out, form, split = project_named(options["project"]), options["out"], options["form"], options["split"]
        if bool(form) != bool(split):
            raise CommandError("--form and --split go together; without both the whole archive is written.")
        dataset = numbered(Dataset, project, options["dataset"])
        by = person_who_may(Permission.DATASET_DOWNLOAD, project, options["by"], what="download datasets")
        name = f"{split}-{form}.jsonl" if form else ARCHIVE
        try:
            # What cannot be written so has not left, and nothing says that it did.
            with new_file(out) as file, transaction.atomic():
                record_download(dataset, by=by, file_name=name)
                file.writelines(_content(dataset, form, split))
        except (Refused, FormatRefused) as refusal:
            raise CommandError(str(refusal)) from refusal
        said = {"project": project.slug, "dataset": dataset.number, "what": name, "bytes": out.stat().st_size}
        text = f"{dataset}: {name}, {said['bytes']:,} bytes, is in {out}."
        self.stdout.write(json.dumps({**said, "file": str(out)}) if options["json"] else text)


def _content(dataset: Dataset, form: str | None, split: str | None) -> Iterator[bytes]:
    if form and split:
        return dataset_lines(dataset, split.upper(), form)
    return archive(dataset)
