"""Steps 11 and 12: the frozen report of a rating round, and the two signatures that release an adapter."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.models import Verdict
from clinicalft import audit, jobs
from clinicalft.access import Refused
from clinicalft.actions import next_number
from clinicalft.lib.hashing import sha256_json
from clinicalft.models import User
from clinicalft.states import advance
from evaluation import gates
from evaluation.models import (
    Deployment,
    DeploymentStatus,
    RatingRound,
    Report,
    Signature,
    SignatureMeaning,
)
from evaluation.report_content import report_content
from evaluation.rules.reports import (
    check_approve_deployment,
    check_publish_report,
    check_reject_deployment,
    check_report_adapter,
    rated_adapters,
)
from evaluation.snapshot import rating_rows, report_frame
from training.models import Adapter

VERDICTS = {gates.PASS: Verdict.PASSED, gates.FAIL: Verdict.FAILED, gates.NOT_ENOUGH: Verdict.NOT_ENOUGH_DATA}
SIGNATURES_NEEDED = 2


@transaction.atomic
def publish_report(rating_round: RatingRound, *, by: User, adapter: Adapter | None = None) -> Report:
    """Queues a new numbered report of a closed round, about the adapter that was rated in it (`adapter` when several).

    An imported round has no adapter; its report has numbers and no gates.
    """
    rating_round = RatingRound.objects.select_for_update(no_key=True).select_related("project").get(pk=rating_round.pk)
    check_publish_report(by, rating_round)
    check_report_adapter(rating_round, adapter)
    rated = list(rated_adapters(rating_round))
    if adapter is None and len(rated) > 1:
        raise Refused("which-adapter", "Several adapters were rated in this round. Choose the one to report on.")
    report = Report.objects.create(
        project=rating_round.project, number=next_number(Report, rating_round.project), rating_round=rating_round,
        adapter=adapter or (rated[0] if rated else None), created_by=by,
    )  # fmt: skip
    audit.record("REPORT_PUBLISH", report, by=by, rating_round=rating_round.pk, seed=report.seed)
    jobs.enqueue(report)
    return report


def build_report(lease: jobs.Lease) -> None:
    """The background half of `publish_report`: computes, freezes and digests in one write. Raises LeaseLost."""
    report = Report.objects.select_related("rating_round__project", "adapter").get(pk=lease.pk)
    jobs.heartbeat(lease, phase="reading ratings")
    frame = report_frame(report.rating_round, report.adapter, seed=report.seed)
    rows = rating_rows(report.rating_round, frame["reviews"])
    jobs.heartbeat(lease, phase="computing agreement and limits")
    made = report_content(frame, rows)
    report.content, report.gates, report.verdict = made["content"], made["gates"], VERDICTS[made["verdict"]]
    report.ratings_sha256 = sha256_json(rows)
    jobs.finish(
        lease, content=report.content, gates=report.gates, verdict=report.verdict,
        ratings_sha256=report.ratings_sha256, sha256=report.digest(),
    )  # fmt: skip


def approve_deployment(report: Report, *, by: User, password: str, reason: str = "") -> Deployment:
    """One person's signature for the release; the second person's makes the deployment approved.

    The password is asked for again with every signature (21 CFR 11.200); a wrong one is Refused("password").
    """
    check_approve_deployment(by, report)
    _check_password(by, report, password)
    return _sign(report, by, SignatureMeaning.APPROVED, reason)


def reject_deployment(report: Report, *, by: User, password: str, reason: str) -> Deployment:
    """One person's signed refusal, with its reason; it ends the deployment of this report."""
    check_reject_deployment(by, report, reason)
    _check_password(by, report, password)
    return _sign(report, by, SignatureMeaning.REJECTED, reason)


def _check_password(by: User, report: Report, password: str) -> None:
    if not by.check_password(password):
        # Outside the transaction of the signature, so that the failed attempt stays on record.
        with transaction.atomic():
            audit.record("SIGNATURE_FAIL", report, by=by)
        raise Refused("password", "That is not your password. Nothing was signed.")


@transaction.atomic
def _sign(report: Report, by: User, meaning: SignatureMeaning, reason: str) -> Deployment:
    report = (
        Report.objects.select_for_update(of=("self",), no_key=True)
        .select_related("project", "adapter__run", "adapter__imported", "deployment")
        .get(pk=report.pk)
    )
    if meaning == SignatureMeaning.APPROVED:
        check_approve_deployment(by, report)
    else:
        check_reject_deployment(by, report, reason)
    adapter: Any = report.adapter  # never None here: check_sign refuses a report without one
    deployment, is_new = Deployment.objects.get_or_create(
        report=report, defaults={"project": report.project, "adapter": adapter}
    )
    if is_new:
        audit.record("DEPLOYMENT_PROPOSE", deployment, by=by, report=report.pk)
    signature = Signature.objects.create(
        deployment=deployment, project=report.project, signed_by=by, printed_name=by.name, meaning=meaning,
        reason=reason.strip(), report_sha256=report.sha256,
    )  # fmt: skip
    audit.record(
        "DEPLOYMENT_SIGN", signature, by=by, reason=signature.reason, meaning=str(meaning),
        report_sha256=signature.report_sha256, printed_name=signature.printed_name,
    )  # fmt: skip
    n_approved = deployment.signatures.filter(meaning=SignatureMeaning.APPROVED).count()
    if meaning == SignatureMeaning.REJECTED:
        advance(deployment, DeploymentStatus.REJECTED, by=by, act="DEPLOYMENT_REJECT", decided_at=timezone.now())
    elif n_approved >= SIGNATURES_NEEDED:
        advance(deployment, DeploymentStatus.APPROVED, by=by, act="DEPLOYMENT_APPROVE", decided_at=timezone.now())
    return deployment
