import json
from dataclasses import fields
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count, Q

from clinicalft.access import Refused
from clinicalft.management.named import numbered, person_who_may, project_named
from clinicalft.management.waiting import follow
from clinicalft.models import WorkStatus
from clinicalft.roles import Permission
from clinicalft.stats.intervals import exact_rate
from evaluation.actions.inference import start_inference
from evaluation.models import Inference, Output
from evaluation.visibility import held
from training.engine.config import GenerateConfig
from training.models import Adapter, Dataset, Split

HELP = {item.name: item.metadata["help_text"] for item in fields(GenerateConfig)}
SPLITS = [split.lower() for split in Split.values if split != Split.TRAIN]


class Command(BaseCommand):
    """Lets adapters, and their base model beside them, answer the held-out part of a dataset; --wait stays for it.

    A worker of the queue gpu does it, or a server that the settings allow; with --wait an inference that does not end
    well is a non-zero exit.
    """

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="its short name, as in the address of its pages")
        parser.add_argument(
            "--adapter", type=int, action="append", required=True, metavar="NUMBER",
            help="several times, for those of one base model and one dataset",
        )  # fmt: skip
        parser.add_argument("--without-base", action="store_true", help="leave the base model out")
        parser.add_argument("--split", choices=SPLITS, default=Split.TEST.lower(), help="(default: test)")
        parser.add_argument(
            "--dataset", type=int, metavar="NUMBER", help="only of an imported adapter, which brings none along"
        )
        parser.add_argument("--server", default="", metavar="ADDRESS", help="one that the settings of this site allow")
        parser.add_argument("--max-new-tokens", type=int, metavar="N", help=HELP["max_new_tokens"])
        parser.add_argument("--batch-tokens", type=int, metavar="N", help=HELP["batch_tokens"])
        parser.add_argument("--structured", action="store_true", dest="is_structured", help=HELP["is_structured"])
        parser.add_argument("--logprobs", action="store_true", dest="keep_logprobs", help=HELP["keep_logprobs"])
        parser.add_argument("--by", metavar="EMAIL", help="who starts it; needed when several admins could")
        parser.add_argument("--wait", action="store_true", help="wait until all have answered")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        project = project_named(options["project"])
        adapters = [numbered(Adapter, project, number) for number in options["adapter"]]
        dataset = numbered(Dataset, project, options["dataset"]) if options["dataset"] is not None else None
        by = person_who_may(Permission.INFERENCE_START, project, options["by"], what="start inference")
        chosen = ("max_new_tokens", "batch_tokens", "is_structured", "keep_logprobs")
        try:
            made = start_inference(
                *adapters, by=by, split=options["split"].upper(), dataset=dataset, server=options["server"],
                with_base=not options["without_base"],
                config={name: options[name] for name in chosen if options[name] is not None},
            )  # fmt: skip
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        if options["wait"]:
            for inference in made:
                follow(inference, f"inference {inference.number} of {inference.system}", self.stderr.write)
        found = [summary(inference) for inference in made]
        if options["json"]:
            self.stdout.write(json.dumps({"project": project.slug, "inferences": found}))
        else:
            self.stdout.write("\n".join(map(sentence, found)))
        ended_badly = [row for row in made if row.is_finished and row.status != WorkStatus.DONE]
        if ended_badly:
            raise CommandError(ended_badly[0].error or "The inference was cancelled.")


def summary(inference: Inference) -> dict[str, Any]:
    """What came of an inference so far, for programs."""
    counts = inference.outputs.aggregate(
        n_answers=Count("pk"), n_compared=Count("pk", filter=Q(is_match__isnull=False)),
        n_right=Count("pk", filter=Q(is_match=True)), n_held=Count("pk", filter=held(Output.objects.all())),
    )  # fmt: skip
    return {
        "number": inference.number, "arm": inference.arm, "system": inference.system, "status": inference.status,
        "error": inference.error, "n_examples": inference.n_total, **counts,
    }  # fmt: skip


def sentence(found: dict[str, Any]) -> str:
    """What came of an inference so far, for people."""
    state = WorkStatus(found["status"]).label.lower()
    said = f"Inference {found['number']}, {found['system']}: {state}, {found['n_answers']} of {found['n_examples']}"
    said += f" answers, {found['n_held']} held back." if found["n_held"] else " answers."
    if not found["n_compared"]:
        return said
    rate = exact_rate(found["n_right"], found["n_compared"])
    limits = f"{rate.value:.1%}, 95 % limits {rate.low:.1%} to {rate.high:.1%}, {rate.method}"
    return f"{said} {found['n_right']} of {found['n_compared']} are equal to the reference ({limits})."
