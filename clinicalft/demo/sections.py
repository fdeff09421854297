"""Which section of a note does a conversation belong to (MTS-Dialog): the task that a tiny model visibly learns."""

from annotation.actions.imported import import_gold
from annotation.actions.rounds import NewGuideline, NewSchema, close_round, open_round
from clinicalft.actions import create_project
from clinicalft.demo.notes import carried, release
from clinicalft.demo.people import join, make_others
from clinicalft.models import Project, User
from training.actions.datasets import freeze_dataset
from training.actions.runs import build_demo_model
from training.engine.config import BuildConfig
from training.models import BaseModel, Dataset, Split
from training.snapshot import example_rows
from training.tasks import freeze_dataset as freeze_task

NAME = "Note sections"
SEED = 20261122
MAPPING = {"source_id": "id", "patient_id": "id", "text": "dialogue", "label": "section"}
BASE_MODEL = "Tiny demo model"
# Without the list of labels, which would more than double what the tiny model reads of each conversation.
INSTRUCTION = "Which section is this conversation from?"
GUIDELINE = """# Which section?

Each conversation was written down in one section of the visit note. Choose that section.

The labels are those of the published data set; nobody annotates here.
"""


def build(people: dict[str, User], n_notes: int | None = None) -> Project:
    """The project with the gold labels of the source as one closed round, a frozen dataset, and the base model queued.

    The tiny base model is built from the training part only: it never saw a held-out conversation.
    """
    project = create_project(
        name=NAME, by=people["ada"], report_evidence_rule=True,
        description="Which section of a note does a conversation belong to? (MTS-Dialog, CC BY 4.0.) A tiny model "
        "learns it in about a minute on one processor core: open Runs and press Start a run.",
    )  # fmt: skip
    join(project, people)
    rows = carried("mts_dialog")[:n_notes]
    notes = release(project, "mts_dialog.jsonl", rows, MAPPING, people["petra"])
    source = make_others(("MTS-Dialog labels",), "imported.example", is_imported=True)
    labels = "\n".join(sorted({row["section"] for row in rows}))
    gold = open_round(
        project=project, title="Sections as published", kind="classification", notes=notes, annotators=source,
        schema=NewSchema("Section", {"question": "Which section is this conversation from?", "labels": labels}),
        guideline=NewGuideline("Sections", GUIDELINE), overlap=1, seed=SEED, is_gold=True, by=people["lena"],
    )  # fmt: skip
    import_gold(gold, by=people["lena"])
    gold = close_round(gold, by=people["lena"])
    dataset = freeze_dataset(
        project=project, rounds=[gold], title="Sections of conversations", by=people["lena"], seed=SEED,
        instruction=INSTRUCTION,
    )  # fmt: skip
    freeze_task(dataset.pk)
    dataset.refresh_from_db()
    queue_base_model(dataset, people["ada"])
    return project


def queue_base_model(dataset: Dataset, by: User) -> None:
    """Queues the tiny base model, built from the dataset's training part and the carried visit notes."""
    if BaseModel.objects.filter(name=BASE_MODEL).exists():
        return
    own = [{"text": row["messages"][1]["content"]} for row in example_rows(dataset, Split.TRAIN)]
    visits = [{"text": row[part]} for row in carried("aci_bench_notes") for part in ("note", "dialogue")]
    config = BuildConfig(
        licence="CC BY 4.0", credit="Built here from MTS-Dialog and ACI-Bench (see clinicalft/demo/data/CREDITS.md)."
    )
    build_demo_model(name=BASE_MODEL, folder="tiny-demo", by=by, config=config, corpus=own + visits)
