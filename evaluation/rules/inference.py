"""May inference be started, cancelled or started again, and if not, why."""

from clinicalft.access import Refused, check_permission
from clinicalft.models import User, WorkStatus
from clinicalft.roles import Permission
from evaluation.models import Inference
from training.models import Adapter
from training.rules.runs import check_base_model


def check_start_inference(user: User, adapter: Adapter) -> None:
    """An admin lets an adapter and its base model answer the held-out notes, one pair at a time."""
    check_permission(user, Permission.INFERENCE_START, adapter.project)
    check_base_model(adapter.run.base_model)
    if adapter.inferences.filter(status__in=[WorkStatus.QUEUED, WorkStatus.RUNNING]).exists():
        raise Refused("in-work", "An inference of this adapter is waiting or running already.")


def check_cancel_inference(user: User, inference: Inference) -> None:
    """Whatever has not ended can be cancelled; the answers so far are kept."""
    check_permission(user, Permission.INFERENCE_START, inference.project)
    if inference.is_finished:
        raise Refused("finished", "This inference has already ended.")
    if inference.cancel_requested_at:
        raise Refused("cancelling", "It was asked to stop a moment ago.")


def check_resume_inference(user: User, inference: Inference) -> None:
    """Failed or cancelled inference can go on with the prompts that have no answer yet."""
    check_permission(user, Permission.INFERENCE_START, inference.project)
    if inference.status not in (WorkStatus.FAILED, WorkStatus.CANCELLED):
        raise Refused("not-ended", "Only inference that failed or was cancelled can go on.")
