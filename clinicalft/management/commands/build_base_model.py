import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clinicalft.access import Refused
from clinicalft.management.named import named_settings, numbered, person_who_may, project_named
from clinicalft.management.waiting import wait_for
from clinicalft.roles import Permission
from training.actions.base_models import build_base_model
from training.models import Dataset


class Command(BaseCommand):
    """Builds a tiny base model from the training parts of frozen datasets, to try the line without a graphics card.

    It sees nothing that a dataset of the project holds out. It is not fit for clinical use. A worker of the queue gpu
    builds it.
    """

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="as the registry will call it")
        parser.add_argument("--project", required=True, help="its short name, as in the address of its pages")
        parser.add_argument(
            "--dataset", type=int, action="append", required=True, metavar="NUMBER", help="several times"
        )
        parser.add_argument("--licence", default="", help="needed where a dataset is made of rounds")
        parser.add_argument("--credit", default="", help="whose text it is; needed where a dataset is made of rounds")
        parser.add_argument(
            "--set", action="append", default=[], metavar="NAME=VALUE", dest="set",
            help="such as steps=300 or vocabulary=4096; several times",
        )  # fmt: skip
        parser.add_argument("--by", metavar="EMAIL", help="who builds it; needed when several admins could")
        parser.add_argument("--wait", action="store_true", help="wait until it can be used")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        project = project_named(options["project"])
        by = person_who_may(Permission.BASE_MODEL_REGISTER, project, options["by"], what="build base models")
        datasets = [numbered(Dataset, project, number) for number in options["dataset"]]
        try:
            base_model = build_base_model(
                name=options["name"], datasets=datasets, by=by, config=named_settings(options["set"]),
                licence=options["licence"], credit=options["credit"],
            )  # fmt: skip
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        if options["wait"]:
            wait_for(base_model, "base model", self.stderr.write)
        said = {
            "name": base_model.name, "status": base_model.status, "sha256": base_model.sha256,
            "n_parameters": base_model.n_parameters,
        }  # fmt: skip
        size = f", {base_model.n_parameters:,} parameters, SHA-256 {base_model.sha256}" if base_model.sha256 else ""
        state = base_model.get_status_display().lower()
        self.stdout.write(json.dumps(said) if options["json"] else f"{base_model}: {state}{size}.")
