import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clinicalft.access import Refused
from clinicalft.management.named import named_settings, numbered, person_who_may, project_named
from clinicalft.management.waiting import follow
from clinicalft.models import WorkStatus
from clinicalft.roles import Permission
from training.actions.runs import start_run
from training.figures import loss_name
from training.models import Adapter, BaseModel, Dataset, Run
from training.presets import as_it_learnt


class Command(BaseCommand):
    """Starts a training of a frozen dataset on a registered base model; --wait follows it to its adapter.

    With --from-adapter it is preference tuning (DPO) that goes on from an adapter, on a dataset of pairs. A worker of
    the queue gpu does it; with --wait a run that does not end well is a non-zero exit.
    """

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="its short name, as in the address of its pages")
        parser.add_argument("--dataset", type=int, required=True, metavar="NUMBER")
        parser.add_argument("--base-model", metavar="NAME", help="as it is called in the registry")
        parser.add_argument(
            "--from-adapter", type=int, metavar="NUMBER",
            help="an adapter to go on from, which brings its base model, precision and longest texts",
        )  # fmt: skip
        parser.add_argument(
            "--set", action="append", default=[], metavar="NAME=VALUE", dest="set",
            help="a setting of the form, such as rank=8; several times",
        )  # fmt: skip
        parser.add_argument("--by", metavar="EMAIL", help="who starts it; needed when several admins could")
        parser.add_argument("--wait", action="store_true", help="wait until it has ended")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        project = project_named(options["project"])
        dataset = numbered(Dataset, project, options["dataset"])
        number = options["from_adapter"]
        adapter = numbered(Adapter, project, number) if number is not None else None
        base_model = _base_model(options["base_model"], adapter)
        kept = as_it_learnt(adapter) if adapter else {}
        by = person_who_may(Permission.RUN_START, project, options["by"], what="start runs")
        try:
            run = start_run(
                project=project, dataset=dataset, base_model=base_model, by=by, start_adapter=adapter,
                config={**kept, **named_settings(options["set"])},
            )  # fmt: skip
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        if options["wait"]:
            follow(run, f"run {run.number}", self.stderr.write)
        self.report(run, options["json"])

    def report(self, run: Run, as_json: bool) -> None:
        run.refresh_from_db()
        adapter = getattr(run, "adapter", None)
        summary = {
            "project": run.project.slug, "run": run.number, "status": run.status, "error": run.error,
            "first_loss": run.first_loss, "last_loss": run.last_loss,
            "adapter": {"number": adapter.number, "sha256": adapter.sha256} if adapter else None,
        }  # fmt: skip
        if as_json:
            self.stdout.write(json.dumps(summary))
        else:
            self.stdout.write(f"{run}: {run.get_status_display().lower()}.")
            if adapter:
                loss = f"held-out {loss_name(run)} {run.first_loss:.3f} before, {run.last_loss:.3f} after"
                self.stdout.write(f"{adapter}: {loss}; SHA-256 {adapter.sha256}")
        if run.is_finished and run.status != WorkStatus.DONE:
            raise CommandError(run.error or "The run was cancelled.")


def _base_model(name: str | None, adapter: Adapter | None) -> BaseModel:
    """The one that is named, or else that of the adapter to go on from. Raises CommandError."""
    if name is None:
        if adapter is None:
            raise CommandError("Name a base model with --base-model, or an adapter to go on from with --from-adapter.")
        return adapter.base_model
    found = BaseModel.objects.filter(name=name).first()
    if found is None:
        names = ", ".join(BaseModel.objects.values_list("name", flat=True)) or "none"
        raise CommandError(f"There is no base model {name}. Registered: {names}.")
    return found
