import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.models import TextScan, TextStatus
from annotation.quarantine import quarantined, type_of
from clinicalft.access import Refused
from clinicalft.management.commands.freeze_dataset import sentence, summary
from clinicalft.management.named import person_who_may, project_named
from clinicalft.management.waiting import wait_for
from clinicalft.models import User
from clinicalft.roles import Permission
from training.actions.datasets import freeze_dataset
from training.actions.imports import import_dataset
from training.imports import COLUMNS, FIELDS, FORMS, ImportRefused, Look, labelled_texts, look
from training.models import Dataset, DatasetImport, ImportedExample

NAMED = (*FIELDS, "patient")


class Command(BaseCommand):
    """Imports examples that were made elsewhere (messages, ShareGPT, Alpaca, ChatML, preference pairs, columns).

    A worker checks each row for identifiers; --wait stays until it has. --freeze waits too, and freezes a dataset of
    the rows that nothing holds back. A failure is a non-zero exit.
    """

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="its short name, as in the address of its pages")
        parser.add_argument(
            "file", type=Path, help="JSON Lines, one JSON list, or CSV with a header; or a folder of .txt files"
        )
        parser.add_argument(
            "--labels", type=Path, metavar="FILE",
            help="of a folder: lines of name, tab, label, without a header; the columns are then id, text and label",
        )  # fmt: skip
        parser.add_argument("--source", required=True, help="where it was made and by whom, as you would cite it")
        parser.add_argument("--licence", required=True, help="such as CC BY 4.0")
        parser.add_argument("--title", help="without it the name of the file")
        parser.add_argument(
            "--language", default="", metavar="CODE",
            help="such as es: the rows are checked for identifiers by its rules; without it that of the project",
        )  # fmt: skip
        parser.add_argument("--form", choices=list(FORMS), default="", help="recognised without it")
        for name in NAMED:
            parser.add_argument(f"--{name}", metavar="COLUMN", default="", help=f"the column of the {name}")
        parser.add_argument("--instruction", default="", help="system message of rows that have none")
        parser.add_argument("--by", metavar="EMAIL", help="who imports; needed when several leads could")
        parser.add_argument("--skip-bad-rows", action="store_true", help="import the good rows and list the rest")
        parser.add_argument("--wait", action="store_true", help="wait for the check for identifiers")
        parser.add_argument("--freeze", action="store_true", help="wait for the check and freeze a dataset")
        parser.add_argument("--seed", type=int, help="of the split; drawn without it")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        project = project_named(options["project"])
        by = person_who_may(Permission.DATASET_FREEZE, project, options["by"], what="import examples")
        try:
            content = _content(options["file"], options["labels"])
            found = _looked(content, options)
            made = import_dataset(
                project=project, title=options["title"] or options["file"].stem[:120], source=options["source"],
                licence=options["licence"], file_name=options["file"].name, content=content, form=found.form,
                mapping=found.mapping, by=by, language=options["language"], instruction=options["instruction"],
                skip_bad_rows=options["skip_bad_rows"],
            )  # fmt: skip
            if options["wait"] or options["freeze"]:
                wait_for(_scan_of(made), "check for identifiers", self.stderr.write)
            dataset = self.freeze(made, by, options["seed"]) if options["freeze"] else None
        except (ImportRefused, Refused) as fault:
            raise CommandError(str(fault)) from fault
        self.report(made, dataset, options["json"])

    def freeze(self, made: DatasetImport, by: User, seed: int | None) -> Dataset:
        """A dataset of the import, followed to its end."""
        dataset = freeze_dataset(project=made.project, imports=[made], title=made.title, by=by, seed=seed)
        wait_for(dataset, "freeze", self.stderr.write)
        return dataset

    def report(self, made: DatasetImport, dataset: Dataset | None, as_json: bool) -> None:
        rows = made.rows.all()
        n_held = rows.filter(quarantined(rows, TextStatus.WAITING)).count()
        n_unchecked = rows.filter(quarantined(rows, TextStatus.UNSCANNED)).count()
        found: dict[str, Any] = {
            "project": made.project.slug, "import": made.number, "form": made.form, "n_rows": made.n_rows,
            "faults": made.faults, "n_held": n_held, "n_unchecked": n_unchecked,
        }  # fmt: skip
        if dataset:
            found["dataset"] = summary(dataset)
        if as_json:
            self.stdout.write(json.dumps(found))
            return
        unchecked = f", {n_unchecked} wait for their check" if n_unchecked else ""
        self.stdout.write(f"Import {made.number}: {made.n_rows} rows as {made.form}, {n_held} held back{unchecked}.")
        for number, fault in made.faults:
            self.stdout.write(f"Row {number}: {fault}")
        if dataset:
            self.stdout.write(sentence(dataset))


def _content(path: Path, labels: Path | None) -> str:
    """The file as text, or a folder of texts joined with the table of their labels. Raises CommandError."""
    if path.is_dir() and labels:
        texts = {file.stem: _text(file) for file in sorted(path.glob("*.txt"))}
        if not texts:
            raise CommandError(f"The folder {path} holds no .txt files.")
        return labelled_texts(texts, _text(labels))
    if path.is_dir() or labels:
        raise CommandError("A folder of texts and --labels FILE go together: name both, or one file of examples.")
    return _text(path)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as fault:
        raise CommandError(f"{path} cannot be read: {fault.strerror}.") from fault
    except UnicodeDecodeError as fault:
        raise CommandError(f"{path} is not UTF-8.") from fault


def _scan_of(made: DatasetImport) -> TextScan:
    """The check that was queued with the rows of `made`."""
    rows = made.rows.values("pk")
    scans = TextScan.objects.filter(texts__object_id__in=rows, texts__object_type=type_of(ImportedExample))
    return scans.distinct().get()


def _looked(content: str, options: dict[str, Any]) -> Look:
    """What the file is, with what was said about it in place of what is guessed."""
    form = options["form"] or (COLUMNS if options["question"] or options["answer"] else "")
    found = look(content, form=form)
    said = {name: options[name] for name in NAMED if options[name]}
    if unknown := next((column for column in said.values() if column not in found.columns), ""):
        raise CommandError(f"The file has no column {unknown}. It has: {', '.join(found.columns)}.")
    return look(content, form=found.form, mapping={**found.mapping, **said}, instruction=options["instruction"])
