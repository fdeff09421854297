"""May agreement be measured, an item be adjudicated, a round go into a dataset - and if not, why."""

from clinicalft.access import Refused
from clinicalft.models import WorkStatus

from annotation.kinds import KINDS
from annotation.models import ItemStatus, Round, RoundStatus, Verdict


def check_cleared(round: Round) -> None:
    """A round goes into a dataset when it is closed and its gate has passed.

    Gold labels of a source are taken as they are. A kind without an agreement statistic (free text) is cleared by the
    adjudication of every item that more than one person annotated.
    """
    if round.status != RoundStatus.CLOSED:
        raise Refused("open", f"{round} is still open. Close it first.")
    if round.is_gold:
        return
    if KINDS[round.kind].headline is None:
        left = round.items.filter(status=ItemStatus.COMPLETE, n_required__gt=1).count()
        if left:
            raise Refused("unsettled", f"{left} items of {round} wait for adjudication.")
        return
    latest = round.agreements.filter(status=WorkStatus.DONE).order_by("-number").first()
    if latest is None:
        raise Refused("unmeasured", f"The agreement of {round} has not been measured yet.")
    if latest.verdict != Verdict.PASSED:
        raise Refused("gate", f"{round} has not passed its agreement gate: {latest.verdict_reason}")
