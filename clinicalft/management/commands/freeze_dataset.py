import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.models import Round
from clinicalft.access import Refused
from clinicalft.management.named import numbered, person_who_may, project_named
from clinicalft.management.waiting import wait_for
from clinicalft.roles import Permission
from training.actions.datasets import freeze_dataset
from training.models import Dataset, DatasetImport, PromptTemplate


class Command(BaseCommand):
    """Freezes a dataset from cleared rounds, or from imports whose rows were checked; --wait until it is whole."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="its short name, as in the address of its pages")
        parser.add_argument("--round", type=int, action="append", default=[], metavar="NUMBER", help="several times")
        parser.add_argument(
            "--import", type=int, action="append", default=[], metavar="NUMBER", dest="imports", help="several times"
        )
        parser.add_argument("--title", help="without it that of the first round or import")
        parser.add_argument("--instruction", default="", help="system message of examples from rounds")
        parser.add_argument(
            "--template", type=int, metavar="NUMBER",
            help="a version of a prompt template for notes of rounds, by its number as in the address of its page",
        )  # fmt: skip
        parser.add_argument("--train", type=float, default=0.8, metavar="SHARE", help="of the patients (default: 0.8)")
        parser.add_argument("--validation", type=float, default=0.1, metavar="SHARE", help="(default: 0.1)")
        parser.add_argument("--seed", type=int, help="of the split; drawn without it")
        parser.add_argument("--by", metavar="EMAIL", help="who freezes it; needed when several leads could")
        parser.add_argument("--wait", action="store_true", help="wait until it is frozen")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        project = project_named(options["project"])
        by = person_who_may(Permission.DATASET_FREEZE, project, options["by"], what="freeze datasets")
        rounds = [numbered(Round, project, number) for number in options["round"]]
        imports = [numbered(DatasetImport, project, number) for number in options["imports"]]
        template = numbered(PromptTemplate, project, options["template"]) if options["template"] is not None else None
        titles = [round.title for round in rounds] + [one.title for one in imports]
        title = options["title"] or "".join(titles[:1])
        try:
            dataset = freeze_dataset(
                project=project, rounds=rounds, imports=imports, title=title, by=by, seed=options["seed"],
                instruction=options["instruction"], template=template, train_share=options["train"],
                validation_share=options["validation"],
            )  # fmt: skip
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        if options["wait"]:
            wait_for(dataset, "freeze", self.stderr.write)
        self.stdout.write(json.dumps(summary(dataset)) if options["json"] else sentence(dataset))


def summary(dataset: Dataset) -> dict[str, Any]:
    """What is in a dataset, for programs."""
    return {
        "project": dataset.project.slug, "number": dataset.number, "status": dataset.status, "sha256": dataset.sha256,
        "n_train": dataset.n_train, "n_validation": dataset.n_validation, "n_test": dataset.n_test,
        "excluded": dataset.excluded,
    }  # fmt: skip


def sentence(dataset: Dataset) -> str:
    """What is in a dataset, for people."""
    if not dataset.sha256:
        return f"Dataset {dataset.number} waits for a worker."
    left_out = "".join(f" Left out: {n}, {reason}." for reason, n in dataset.excluded)
    return (
        f"Dataset {dataset.number}: {dataset.n_train} train, {dataset.n_validation} validation, {dataset.n_test} test."
        f"{left_out}"
    )
