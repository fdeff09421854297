import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clinicalft.access import Refused
from clinicalft.management.named import numbered, person_who_may, project_named
from clinicalft.management.waiting import wait_for
from clinicalft.roles import Permission
from evaluation.actions.reports import publish_report
from evaluation.models import RatingRound, Report
from evaluation.rules.ratings import check_see_results
from training.models import Adapter


class Command(BaseCommand):
    """Publishes the report of a closed rating round: estimates and release gates, frozen; --wait for its verdict.

    Gates that are not passed are a result and no failure. The signatures are given on the page of the report.
    """

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="its short name, as in the address of its pages")
        parser.add_argument("--rating-round", type=int, required=True, metavar="NUMBER")
        parser.add_argument("--adapter", type=int, metavar="NUMBER", help="needed when several were rated in the round")
        parser.add_argument("--by", metavar="EMAIL", help="who publishes it; needed when several leads could")
        parser.add_argument("--wait", action="store_true", help="wait until it is computed")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        project = project_named(options["project"])
        rating_round = numbered(RatingRound, project, options["rating_round"])
        adapter = numbered(Adapter, project, options["adapter"]) if options["adapter"] is not None else None
        by = person_who_may(Permission.REPORT_PUBLISH, project, options["by"], what="publish reports")
        try:
            report = publish_report(rating_round, by=by, adapter=adapter)
            if options["wait"]:
                wait_for(report, "report", self.stderr.write)
                check_see_results(by, rating_round)
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(json.dumps(summary(report)) if options["json"] else sentences(report))


def summary(report: Report) -> dict[str, Any]:
    """What a report says of its gates, for programs."""
    kept = ("key", "name", "value", "limit", "n_items", "rule", "finding", "verdict")
    return {
        "project": report.project.slug, "report": report.number, "status": report.status, "verdict": report.verdict,
        "adapter": report.adapter.number if report.adapter else None, "sha256": report.sha256,
        "gates": [{name: gate.get(name) for name in kept} for gate in report.gates],
    }  # fmt: skip


def sentences(report: Report) -> str:
    """The verdict and each gate in a line, for people."""
    if not report.sha256:
        return f"{report} waits for a worker."
    about = f" about {report.adapter}" if report.adapter else ""
    verdict = f": {report.get_verdict_display().lower()}" if report.gates else ""
    gates = [f"{gate['name']}: {gate['verdict']}. {gate['rule']} {gate['finding']}" for gate in report.gates]
    return "\n".join([f"{report}{about}{verdict}. SHA-256 {report.sha256}", *gates])
