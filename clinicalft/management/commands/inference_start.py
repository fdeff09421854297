import json
from dataclasses import fields
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clinicalft.access import Refused
from clinicalft.management.named import numbered, person_who_may, project_named
from clinicalft.management.waiting import follow
from clinicalft.models import WorkStatus
from clinicalft.roles import Permission
from evaluation.actions.inference import start_inference
from evaluation.answers import counts_of
from evaluation.models import Inference
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
        if options["json"]:
            self.stdout.write(json.dumps({"project": project.slug, "inferences": [summary(row) for row in made]}))
        else:
            self.stdout.write("\n".join(map(sentence, made)))
        ended_badly = [row for row in made if row.is_finished and row.status != WorkStatus.DONE]
        if ended_badly:
            raise CommandError(ended_badly[0].error or "The inference was cancelled.")


def summary(inference: Inference) -> dict[str, Any]:
    """What came of an inference so far, for programs."""
    counts = counts_of(inference)
    return {
        "number": inference.number, "arm": inference.arm, "system": inference.system, "status": inference.status,
        "error": inference.error, "n_examples": inference.n_total, "n_answers": counts["n"],
        "n_held": counts["n_held"], "n_cut": counts["n_cut"], "n_compared": counts["n_compared"],
        "n_right": counts["n_match"], "mean_logprob": counts["mean_logprob"],
    }  # fmt: skip


def sentence(inference: Inference) -> str:
    """What came of an inference so far, for people."""
    counts = counts_of(inference)
    rate = counts["match"]
    said = f"{inference}, {inference.system}: {inference.get_status_display().lower()}, {counts['n']} of"
    said += f" {inference.n_total} answers"
    said += f", {counts['n_held']} held back" if counts["n_held"] else ""
    said += f", {counts['n_cut']} cut off." if counts["n_cut"] else "."
    if rate:
        limits = f"{rate.value:.1%}, 95 % limits {rate.low:.1%} to {rate.high:.1%}, {rate.method}"
        said += f" {counts['n_match']} of {counts['n_compared']} are equal to the reference ({limits})."
    if counts["mean_logprob"] is not None:
        said += f" Mean log-probability of a token: {counts['mean_logprob']:.3f}."
    return said
