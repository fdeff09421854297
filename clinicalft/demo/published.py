"""Real people's ratings of model-written medical summaries (MSLR): the published agreement, reproduced on our pages."""

from annotation.actions.agreement import measure_agreement
from annotation.actions.imported import import_answers
from annotation.actions.rounds import NewGuideline, NewSchema, close_round, open_round
from annotation.tasks import measure_agreement as measure_task
from clinicalft.actions import create_project
from clinicalft.demo.notes import carried, release
from clinicalft.demo.people import join, make_others
from clinicalft.models import Project, User
from evaluation.actions.imported import import_ratings
from evaluation.rubrics import Point, Question, Rubric

NAME = "Published ratings"
SEED = 20261123
FACETS = {
    "fluency": ("Is the generated summary fluent?", ("0", "1", "2")),
    "population": ("Does the population match?", ("0", "1", "2", "n/a", "other")),
    "intervention": ("Does the intervention match?", ("0", "1", "2", "n/a", "other")),
    "outcome": ("Does the outcome match?", ("0", "1", "2", "n/a", "other")),
    "direction_target": ("Effect direction in the reference", ("-1", "0", "1", "n/a", "other")),
    "direction_generated": ("Effect direction in the generated summary", ("-1", "0", "1", "n/a", "other")),
    "strength_target": ("Strength of the claim in the reference", ("0", "1", "2", "3", "n/a", "other")),
    "strength_generated": ("Strength of the claim in the generated summary", ("0", "1", "2", "3", "n/a", "other")),
}
GUIDELINE = "# {title}\n\nAs published with the data set. Two experts rated each summary; nobody annotates here."


def build(people: dict[str, User]) -> Project:
    """One closed round per facet, with both raters' published answers, measured."""
    project = create_project(
        name=NAME, by=people["ada"], agreement_min_items=30, agreement_min_rarest=1,
        description="Two experts rated 39 model-written summaries of Cochrane reviews (MSLR, Apache-2.0). The numbers "
        "are those of real people and agree with the published ones.",
    )  # fmt: skip
    join(project, people)
    rows = carried("mslr_ratings")
    texts = [{"id": row["id"], "text": _side_by_side(row)} for row in rows]
    mapping = {"source_id": "id", "patient_id": "id", "text": "text"}
    notes = release(project, "mslr_ratings.jsonl", texts, mapping, people["petra"])
    raters = make_others(("MSLR rater A1", "MSLR rater A2"), "imported.example", is_imported=True)
    for facet, (question, labels) in FACETS.items():
        title = facet.replace("_", " ").capitalize()
        round = open_round(
            project=project, title=title, kind="classification", notes=notes, annotators=raters, overlap=2, seed=SEED,
            schema=NewSchema(title, {"question": question, "labels": "\n".join(labels)}), is_gold=True,
            guideline=NewGuideline(title, GUIDELINE.format(title=title)), by=people["lena"],
        )  # fmt: skip
        answers = {
            rater: {
                note.note_id: {"label": str(row["ratings"][index][facet])}
                for note, row in zip(notes, rows, strict=True)
                if row["ratings"][index][facet] is not None
            }
            for index, rater in enumerate(raters)
        }
        import_answers(round, by=people["lena"], answers=answers)
        close_round(round, by=people["lena"])
        measure_task(measure_agreement(round, by=people["lena"]).pk)
    _rate(project, people["lena"])
    return project


def _rate(project: Project, by: User) -> None:
    """The same published ratings as a rating round: what raters of model outputs said, for the concordance page."""
    rows = carried("mslr_ratings")
    questions = tuple(
        Question(
            key=facet, label=question, data_type="nominal",
            scale=tuple(Point(value=label, label=label) for label in labels),
        )
        for facet, (question, labels) in FACETS.items()
    )  # fmt: skip
    import_ratings(
        project=project, title="Facets of generated summaries", rubric=Rubric(title="MSLR facets", questions=questions),
        outputs=[
            {"id": row["id"], "system": row["system"], "source_text": row["reference_summary"],
             "text": row["generated_summary"]}
            for row in rows
        ],
        ratings=[
            {"output": row["id"], "rater": f"MSLR rater {given['rater']}",
             "answers": {facet: str(given[facet]) for facet in FACETS if given[facet] is not None}}
            for row in rows
            for given in row["ratings"]
        ],
        by=by,
    )  # fmt: skip


def _side_by_side(row: dict[str, str]) -> str:
    return f"REFERENCE SUMMARY\n\n{row['reference_summary']}\n\nGENERATED SUMMARY\n\n{row['generated_summary']}"
