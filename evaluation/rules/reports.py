"""May a report be published, signed or rejected, and if not, why."""

from django.db.models import QuerySet

from annotation.models import Verdict
from clinicalft.access import Refused, check_permission
from clinicalft.models import User, WorkStatus
from clinicalft.roles import Permission
from evaluation.models import Arm, DeploymentStatus, RatingRound, RatingRoundStatus, RatingStatus, Report
from training.models import Adapter

REASON_LENGTH = 5


def check_publish_report(user: User, rating_round: RatingRound) -> None:
    """A lead publishes the report of a closed round that has ratings, one at a time."""
    check_permission(user, Permission.REPORT_PUBLISH, rating_round.project)
    if rating_round.status != RatingRoundStatus.CLOSED:
        raise Refused("open", "Close the round first: looking again and again at growing data passes by luck alone.")
    if not rating_round.ratings.filter(status=RatingStatus.SUBMITTED).exists():
        raise Refused("no-ratings", "Nobody has submitted a rating in this round, so there is nothing to report.")
    if rating_round.reports.filter(status__in=[WorkStatus.QUEUED, WorkStatus.RUNNING]).exists():
        raise Refused("in-work", "A report of this round is being made at this moment.")


def rated_adapters(rating_round: RatingRound) -> QuerySet[Adapter]:
    """Those whose answers were rated in a round; a report is about one of them."""
    rated = rating_round.inferences.filter(arm=Arm.ADAPTER)
    return Adapter.objects.filter(inferences__in=rated).distinct().order_by("number")


def check_report_adapter(rating_round: RatingRound, adapter: Adapter | None) -> None:
    """The adapter that a report is about was rated in its round."""
    if adapter is not None and not rated_adapters(rating_round).filter(pk=adapter.pk).exists():
        raise Refused("not-rated", f"{adapter} was not rated in this round.")


def check_sign(user: User, report: Report) -> None:
    """Approvers who did not start the run sign the newest, unaltered report of an adapter, each once."""
    check_permission(user, Permission.DEPLOYMENT_APPROVE, report.project)
    if report.status != WorkStatus.DONE:
        raise Refused("not-done", "This report is not finished.")
    if report.adapter is None:
        raise Refused("no-adapter", "This report is about imported ratings; there is no adapter here to release.")
    if report.adapter.origin.created_by_id == user.pk:
        did = "started the run of" if report.adapter.run_id else "imported"
        raise Refused("author", f"You {did} this adapter, so two other people have to decide.")
    if not report.is_intact:
        raise Refused("altered", "This report no longer matches its digest: somebody altered it. Tell an auditor.")
    deployment = getattr(report, "deployment", None)
    if deployment is not None:
        if deployment.status != DeploymentStatus.PROPOSED:
            raise Refused("decided", f"This was decided already: {deployment.get_status_display().lower()}.")
        if deployment.signatures.filter(signed_by=user).exists():
            raise Refused("signed", "You have signed this; now somebody else has to.")


def check_approve_deployment(user: User, report: Report) -> None:
    """Only a report whose gates all passed, and that no newer one has replaced, can be approved."""
    check_sign(user, report)
    if report.verdict != Verdict.PASSED:
        raise Refused("gates", "Not every release gate has passed. What is missing stands in the gate table.")
    about_it = Report.objects.filter(adapter=report.adapter, status=WorkStatus.DONE)
    newer = about_it.filter(number__gt=report.number).order_by("number").last()
    if newer is not None:
        raise Refused("newer", f"{newer} about this adapter is newer. Decide on that one.")


def check_reject_deployment(user: User, report: Report, reason: str | None = None) -> None:
    """A rejection wants its reason; None asks only whether this person could reject at all."""
    check_sign(user, report)
    if reason is not None and len(reason.strip()) < REASON_LENGTH:
        raise Refused("reason", "Say in a few words why you reject it.")
