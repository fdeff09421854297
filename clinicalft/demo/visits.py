"""Visit notes (ACI-Bench): one round finished by simulated readers, two open for the newcomer."""

import random
from typing import Any

from annotation.actions.agreement import measure_agreement
from annotation.actions.annotations import acknowledge_guideline, claim_next, submit_annotation
from annotation.actions.rounds import NewGuideline, NewSchema, close_round, open_round
from annotation.models import Round
from annotation.tasks import measure_agreement as measure_task
from clinicalft.actions import add_member, create_project
from clinicalft.demo.notes import carried, release
from clinicalft.demo.people import SIMULATED, join, make_others
from clinicalft.models import Project, User

NAME = "Visit notes"
SEED = 20261121
ACCURACY = 0.95
LIMBS = ("pain", "knee", "ankle", "foot", "elbow", "shoulder", "hip", "wrist", "arm", "finger", "joint", "toe")
TRUNK = ("chest", "heart", "breath", "lung", "asthma", "dyspnea", "stemi", "hypertension", "cardi")
LABELS = """limbs | Bones and joints | Pain or injury of back, limbs or joints
heart | Heart and lungs
other | Something else"""
MAPPING = {
    "source_id": "id", "patient_id": "id", "text": "note", "sex": "sex", "age": "age", "first_name": "first_name",
    "last_name": "last_name",
}  # fmt: skip

REASON_GUIDELINE = """# What is the visit mainly about?

Choose by the **chief complaint**, not by what else is found.

- *Bones and joints*: pain or injury of the back, a limb or a joint.
- *Heart and lungs*: chest pain, breathlessness, heart failure, high blood pressure, asthma.
- *Something else*: everything else, check-ups included.

When two fit, take the one that the plan begins with.
"""
CODING_GUIDELINE = """# Code the visit

Give an ICD-10-CM code for **each problem that was assessed or treated** at this visit.

1. Press `c`, type a word or a code, choose.
2. Select the words in the note that prove it.

Do not code what is only in the family history, or what was ruled out. Take the most specific code that the note
supports.
"""
SUMMARY_GUIDELINE = """# Summarise for the next doctor

Two to four sentences: why the patient came, what was found, what happens next. Say only what the note says.
"""


def build(people: dict[str, User], n_notes: int | None = None) -> Project:
    """The project with its notes (all that are carried, or the first `n_notes`), one finished and two open rounds."""
    project = create_project(
        name=NAME, by=people["ada"], agreement_min_items=40, agreement_min_rarest=5,
        description="Simulated outpatient visits (ACI-Bench, CC BY 4.0). The agreement gate needs 40 items here "
        "instead of 200, because the demo is small.",
    )  # fmt: skip
    join(project, people)
    rows = carried("aci_bench_notes")[:n_notes]
    notes = release(project, "aci_bench_notes.jsonl", rows, MAPPING, people["petra"])
    truth = {note.note_id: reason(row["chief_complaint"]) for note, row in zip(notes, rows, strict=True)}
    readers = make_others(SIMULATED, "simulated.example", is_simulated=True)
    for reader in readers:
        add_member(user=reader, project=project, roles=["clinician"], by=people["ada"])
    finished = open_round(
        project=project, title="Reason for the visit", kind="classification", notes=notes, annotators=readers,
        schema=NewSchema("Reason for the visit", {"question": "What is this visit mainly about?", "labels": LABELS}),
        guideline=NewGuideline("Reason for the visit", REASON_GUIDELINE), overlap=3, seed=SEED, by=people["lena"],
    )  # fmt: skip
    annotate(finished, readers, truth)
    close_round(finished, by=people["lena"])
    measure_task(measure_agreement(finished, by=people["lena"]).pk)
    clinicians = [people["carl"], people["clara"], people["sam"]]
    open_round(
        project=project, title="Diagnoses of the visit", kind="coding", notes=notes, annotators=clinicians,
        schema=NewSchema("ICD-10-CM", {"code_set": code_set()}), overlap=2, seed=SEED + 1, by=people["lena"],
        n_items=min(20, len(notes)),
        guideline=NewGuideline("ICD-10 coding", CODING_GUIDELINE),
    )  # fmt: skip
    open_round(
        project=project, title="Two-sentence summary", kind="summary", notes=notes, annotators=clinicians,
        n_items=min(10, len(notes)),
        schema=NewSchema(
            "Short summary",
            {"instruction": "Summarise the visit for the next doctor.", "min_words": 15, "max_words": 90},
        ),
        guideline=NewGuideline("Summaries", SUMMARY_GUIDELINE), overlap=2, seed=SEED + 2, by=people["lena"],
    )  # fmt: skip
    return project


def reason(complaint: str) -> str:
    """The label of a chief complaint by its words: what the simulated readers mostly answer."""
    words = complaint.lower()
    if any(word in words for word in TRUNK):
        return "heart"
    return "limbs" if any(word in words for word in LIMBS) and "abdominal" not in words else "other"


def annotate(round: Round, readers: list[User], truth: dict[int, str]) -> None:
    """Seeded simulated work: each reader gives the label of the complaint, or with a small chance another one."""
    for number, reader in enumerate(readers):
        acknowledge_guideline(round, by=reader)
        chance = random.Random(f"{SEED}/{number}")
        while slot := claim_next(round, by=reader):
            label = truth[slot.item.note.note_id]
            if chance.random() > ACCURACY:
                label = chance.choice([other for other in ("limbs", "heart", "other") if other != label])
            payload: dict[str, Any] = {"label": label}
            submit_annotation(slot.item, by=reader, raw=payload, revision=0, seconds=chance.randint(20, 90))


def code_set() -> str:
    """The code set that was loaded; see `manage.py load_codes`."""
    from annotation.models import Code

    return Code.objects.values_list("code_set", flat=True).order_by("-code_set")[0]
