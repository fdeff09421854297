"""May a base model be registered, a run be started, cancelled or resumed, and if not, why."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.db.models import QuerySet

from annotation.models import ItemStatus
from clinicalft.access import Refused, check_permission
from clinicalft.models import Project, User, WorkStatus
from clinicalft.roles import Permission
from training.engine.config import FULL
from training.held_out import Leak, learnt_though_held_out, learnt_though_nearly_held_out
from training.models import Adapter, BaseModel, Dataset, Run, Split
from training.named_rows import NamedRow, RowRefused
from training.rules.datasets import check_frozen


def base_model_path(folder: str) -> Path:
    """The folder of a base model below the folder of models of this site; refuses anything that leads out of it."""
    relative = PurePosixPath(folder)
    root = Path(settings.MODELS_DIR).resolve()
    path = (root / relative).resolve()
    if relative.is_absolute() or path == root or not path.is_relative_to(root):
        raise Refused("outside", "Name a folder inside the folder of models of this site, for example llama-3.1-8b.")
    return path


def check_register_base_model(user: User, folder: str) -> None:
    """An admin of the site registers a folder that is there and not registered yet."""
    check_permission(user, Permission.BASE_MODEL_REGISTER)
    if not base_model_path(folder).is_dir():
        raise Refused(
            "no-folder", f"There is no folder “{folder}” in the folder of models. Copy the model there first."
        )
    _check_folder_is_free(folder)


def check_build_base_model(user: User, folder: str) -> None:
    """An admin of the site builds a tiny base model into a folder that no other model has."""
    check_permission(user, Permission.BASE_MODEL_REGISTER)
    _check_folder_is_free(folder)


def _check_folder_is_free(folder: str) -> None:
    if BaseModel.objects.filter(folder=folder).exclude(status=WorkStatus.FAILED).exists():
        raise Refused("registered", "This folder is registered already.")


def check_base_model(base_model: BaseModel) -> None:
    """Runs start from models whose facts and digest have been read."""
    if base_model.status != WorkStatus.DONE:
        state = WorkStatus(base_model.status).label.lower()
        raise Refused("not-ready", f"{base_model} is not ready ({state}). {base_model.error}".strip())


def check_start_run(user: User, project: Project) -> None:
    """An admin starts runs, and only when there is a frozen dataset and a base model to start from.

    The agreement gate stands before the dataset: a dataset can only be frozen from rounds that passed it.
    """
    check_permission(user, Permission.RUN_START, project)
    if not project.datasets.filter(status=WorkStatus.DONE).exists():
        raise Refused(
            "no-dataset",
            "There is no frozen dataset yet. A lead freezes one from rounds that have passed their agreement gate.",
        )
    if not BaseModel.objects.filter(status=WorkStatus.DONE).exists():
        raise Refused(
            "no-base-model", "No base model is ready yet. Register one, or wait until the demo model is built."
        )


def adapters_to_go_on_from(project: Project) -> QuerySet[Adapter]:
    """Those that are weights beside a base model; a model that was trained whole has no such part."""
    return project.adapters.exclude(manifest__contains={"method": FULL})


def check_start_preference_run(user: User, project: Project) -> None:
    """Preference tuning needs an adapter to go on from and a frozen dataset of pairs."""
    check_start_run(user, project)
    if not adapters_to_go_on_from(project).exists():
        raise Refused("no-adapter", "There is no adapter to go on from yet. Fine-tune one first.")
    if not project.datasets.filter(status=WorkStatus.DONE).of_pairs().exists():
        raise Refused(
            "no-pairs",
            "There is no frozen dataset of pairs yet. A lead imports rows with a chosen and a rejected answer and "
            "freezes them.",
        )


def check_preference_parts(dataset: Dataset, base_model: BaseModel, adapter: Adapter) -> None:
    """An adapter of the same project goes on, on its own base model and on pairs: every example that is learnt from has
    a worse answer beside the better one."""
    if adapter.project_id != dataset.project_id:
        raise Refused("other-project", "This adapter belongs to another project.")
    if adapter.manifest.get("method") == FULL:
        raise Refused("whole-model", f"{adapter} was trained whole. Preference tuning goes on from an adapter (LoRA).")
    if adapter.base_model != base_model:
        raise Refused("other-base-model", f"{adapter} was trained on {adapter.base_model}. It goes on with that one.")
    n_without = dataset.examples.exclude(split=Split.TEST).filter(rejected="").count()
    if n_without:
        examples = "1 example" if n_without == 1 else f"{n_without} examples"
        raise Refused(
            "no-pairs",
            f"{examples} of {dataset} have no rejected answer. Preference tuning learns from pairs: choose a dataset "
            "of rows with a chosen and a rejected answer.",
        )


def check_run_parts(project: Project, dataset: Dataset, base_model: BaseModel) -> None:
    """A run's dataset is of its project and frozen, learns nothing that is held out, and its base model is ready."""
    if dataset.project_id != project.pk:
        raise Refused("other-project", "This dataset belongs to another project.")
    check_may_be_learnt(dataset)
    check_base_model(base_model)


def check_may_be_learnt(dataset: Dataset) -> None:
    """Whoever learns from a dataset, as an adapter or as a base model, learns from a whole one, nothing that is held
    out, and nothing that was taken away."""
    check_frozen(dataset)
    check_learns_nothing_held_out(dataset)
    check_texts_stand(dataset)


def check_learns_nothing_held_out(dataset: Dataset) -> None:
    """No run learns from a patient or a text that any frozen dataset of the project holds out for its test."""
    _refuse_leak(dataset, learnt_though_held_out(dataset))


def check_learns_nothing_like_held_out(dataset: Dataset, beat: Callable[[int], None]) -> None:
    """Nor from nearly such a text. It reads every text, so the worker asks before it starts."""
    _refuse_leak(dataset, learnt_though_nearly_held_out(dataset, beat))


def _refuse_leak(dataset: Dataset, leak: Leak | None) -> None:
    if leak:
        rows = [NamedRow("example", each.dataset.number, each.number) for each in (leak.learnt, leak.held)]
        raise RowRefused(
            "held-out",
            f"{rows[0]} has {leak.what} in common with {rows[1]}, which is held out for the test in this project. "
            "Freeze a new dataset: it leaves out what is held out.",
            rows,
        )


def check_texts_stand(dataset: Dataset) -> None:
    """No run learns from a text that was taken away since the freeze, because it may name somebody."""
    learnt = dataset.examples.exclude(split=Split.TEST)
    if example := learnt.filter(item__status=ItemStatus.WITHDRAWN).order_by("number").first():
        row = NamedRow("example", dataset.number, example.number)
        raise RowRefused(
            "withdrawn",
            f"The text of {row} was taken away since, because it may name somebody. Freeze a new dataset.",
            [row],
        )


def check_feasible(refusal: str) -> None:
    """A run that the worker cannot do is refused before it waits in the queue."""
    if refusal:
        raise Refused("does-not-fit", refusal)


def check_cancel_run(user: User, run: Run) -> None:
    """A run that has not ended can be cancelled; it saves a checkpoint first."""
    check_permission(user, Permission.RUN_START, run.project)
    if run.is_finished:
        raise Refused("finished", "This run has already ended.")
    if run.cancel_requested_at:
        raise Refused("cancelling", "It was asked to stop and is saving its checkpoint.")


def check_resume_run(user: User, run: Run) -> None:
    """A failed or cancelled run can go on from its newest checkpoint."""
    check_permission(user, Permission.RUN_START, run.project)
    if run.status not in (WorkStatus.FAILED, WorkStatus.CANCELLED):
        raise Refused("not-ended", "Only a run that failed or was cancelled can be resumed.")
