"""Importing examples: nothing is lost, nothing unchecked is learnt from, and the freeze is the same as for rounds."""

import json
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.utils import DatabaseError

from annotation.actions.quarantine import decide_text
from annotation.models import Patient, QuarantinedText, TextStatus
from clinicalft.access import Refused
from clinicalft.models import AuditEvent, WorkStatus
from evaluation.models import Output
from evaluation.tasks import identifiers_seen
from tests.factories.quarantine import scan_entered
from tests.factories.rounds import released_notes
from tests.factories.training import ALPACA, agreed_round, frozen_dataset, frozen_import, imported
from tests.personas import Cast, make_cast
from training.actions.datasets import freeze_dataset
from training.actions.imports import import_dataset, upload_dataset
from training.exports import FORMATS, dataset_lines
from training.held_out import learnt_though_held_out
from training.models import Dataset, DatasetImport, DatasetUpload, ImportedExample, Run, Split
from training.tasks import identifiers_seen as identifiers_seen_in_training

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def lines(*records: Any) -> str:
    return "\n".join(json.dumps(record) for record in records)


def pair(n: int, **more: Any) -> dict[str, Any]:
    return {"prompt": f"Which of {n}?", "chosen": f"better {n}", "rejected": f"worse {n}", **more}


def test_imported_rows_become_a_frozen_dataset_of_the_project_with_source_and_licence_on_its_card(cast: Cast) -> None:
    made = imported(cast)
    dataset = frozen_import(cast, made)

    assert (dataset.status, dataset.is_imported, dataset.error) == (WorkStatus.DONE, True, "")
    assert (dataset.n_train + dataset.n_validation + dataset.n_test, dataset.n_patients) == (12, 12)
    first = dataset.examples.order_by("number").first()
    assert first.messages[0]["content"] == "Name the section.\n\nPatient says finding0 began 0 days ago."
    (source,) = dataset.manifest["imports"]
    assert (source["import"], source["licence"], source["format"]) == (1, "CC0-1.0", "alpaca")
    assert source["file_sha256"] == made.file_sha256
    assert 'license_name: "CC0-1.0"' in dataset.card
    assert "“Sections”: Made up for tests. Licence: CC0-1.0." in dataset.card
    assert "preference" not in dataset.manifest["exports"]
    for form in set(FORMATS) - {"preference"}:
        assert len(list(dataset_lines(dataset, Split.TRAIN, form))) == dataset.n_train
    event = AuditEvent.objects.get(act="DATASET_IMPORT")
    assert (event.object_id, event.detail["n_rows"]) == (made.pk, 12)


def test_rows_of_a_patient_stay_together_and_with_the_patient_whose_notes_are_here(cast: Cast) -> None:
    rows = [pair(n, patient_id=f"p{n // 3}") for n in range(18)]
    made = imported(cast, lines(*rows), form="preference", mapping={"patient": "patient_id"})
    dataset = frozen_import(cast, made)

    assert dataset.n_patients == 6
    parts = set(dataset.examples.values_list("patient", "split"))
    assert len(parts) == 6
    again = imported(cast, lines(*rows[:3]), form="preference", mapping={"patient": "patient_id"})
    assert set(again.rows.values_list("patient", flat=True)) < set(made.rows.values_list("patient", flat=True))


def test_preference_pairs_keep_their_worse_answer_through_freeze_and_export(cast: Cast) -> None:
    dataset = frozen_import(cast, imported(cast, lines(*map(pair, range(12))), form="preference"))

    row = json.loads(next(dataset_lines(dataset, Split.TRAIN, "preference")))
    n = row["prompt"][0]["content"].removeprefix("Which of ").removesuffix("?")
    assert row["chosen"] == [{"role": "assistant", "content": f"better {n}"}]
    assert row["rejected"] == [{"role": "assistant", "content": f"worse {n}"}]
    assert json.loads(next(dataset_lines(dataset, Split.TRAIN, "messages")))["rejected"] == f"worse {n}"
    assert "preference" in dataset.manifest["exports"]


def test_a_row_with_an_identifier_is_held_back_until_a_privacy_officer_decides(cast: Cast) -> None:
    bad = {"instruction": "Name the section.", "input": "Call Dr. Quentin Abernathy at 212-555-0187.", "output": "PLAN"}
    made = imported(cast, f"{ALPACA}\n{json.dumps(bad)}")
    text = QuarantinedText.objects.get(status=TextStatus.WAITING)
    assert ImportedExample.objects.get(pk=text.object_id).number == 13

    before = frozen_import(cast, made)
    decide_text(text, by=cast.priya, identifiers=range(len(text.spans)))
    after = frozen_import(cast, made)

    assert before.excluded == [["a text about it waits for a privacy officer", 1]]
    assert not before.examples.filter(imported__number=13).exists()
    said = json.dumps(after.examples.get(imported__number=13).messages)
    assert "[" in said
    assert "Abernathy" not in said
    assert "0187" not in said


@pytest.mark.parametrize(
    ("said", "status"), [("es", TextStatus.WAITING), ("en", TextStatus.CLEAN), ("", TextStatus.WAITING)]
)
def test_rows_are_checked_by_the_rules_of_their_language_which_is_that_of_the_project_where_none_is_said(
    cast: Cast, said: str, status: str
) -> None:
    cast.project.language = "es"
    old = {"prompt": "Mujer nonagenaria con disnea.", "completion": "R06"}

    made = imported(cast, lines(old), form="prompt-completion", language=said)

    assert made.language == (said or "es")
    assert QuarantinedText.objects.get().status == status


def test_the_last_look_and_that_at_answers_are_by_the_rules_of_the_language_of_the_import(cast: Cast) -> None:
    """By English rules the Spanish word “dolores” is a name; by Spanish ones “nonagenaria” is an age over 89."""
    rows = [{"prompt": f"Dolores de tipo mecánico desde hace {n} semanas.", "completion": "R52"} for n in range(12)]
    made = imported(cast, lines(*rows), form="prompt-completion", language="es")

    dataset = frozen_import(cast, made)

    assert (dataset.status, dataset.error, len(dataset.excluded)) == (WorkStatus.DONE, "", 0)
    example = dataset.examples.first()
    answer = "Mujer nonagenaria."
    assert identifiers_seen_in_training(Run(dataset=dataset), {"id": example.number, "text": answer})
    assert identifiers_seen(Output(example=example, text=answer, source_text=example.text, reference=example.answer))


def test_nothing_can_be_frozen_before_every_row_was_checked(cast: Cast) -> None:
    made = import_dataset(
        project=cast.project, title="Sections", source="x", licence="y", file_name="f", content=ALPACA, form="alpaca",
        mapping={}, by=cast.lea,
    )  # fmt: skip

    with pytest.raises(Refused) as refusal:
        freeze_dataset(project=cast.project, imports=[made], title="Early", by=cast.lea)
    assert refusal.value.code == "unscanned"
    scan_entered()
    assert freeze_dataset(project=cast.project, imports=[made], title="Late", by=cast.lea).pk


def test_what_is_held_out_by_a_round_is_not_learnt_from_an_import(cast: Cast) -> None:
    # One figure before the n: two would look like a code, and such rows wait for a privacy officer.
    texts = [" ".join(f"finding{n}n{place}" for place in range(60)) for n in range(10)]
    first = frozen_dataset(cast, agreed_round(cast, notes=released_notes(cast, texts)))
    held = first.examples.filter(split=Split.TEST).select_related("item__note").first()
    rows = [{"prompt": f"{held.item.note.text} again {n}", "completion": "x"} for n in range(6)]
    rows += [{"prompt": f"Question {n}?", "completion": f"Answer {n}."} for n in range(12)]

    second = frozen_import(cast, imported(cast, lines(*rows), form="prompt-completion"))

    ((reason, n),) = second.excluded
    assert (reason, n > 0) == ("nearly the same text is held out", True)
    learnt = json.dumps(list(second.examples.exclude(split=Split.TEST).values_list("messages", flat=True)))
    assert held.item.note.text not in learnt
    assert learnt_though_held_out(second) is None


def test_the_same_import_frozen_again_holds_out_the_same_rows(cast: Cast) -> None:
    made = imported(cast)
    first = frozen_import(cast, made, seed=1)
    again = imported(cast)

    second = frozen_import(cast, again, seed=2)

    held = first.examples.filter(split=Split.TEST).values_list("imported__sha256", flat=True)
    assert set(second.examples.filter(split=Split.TEST).values_list("imported__sha256", flat=True)) == set(held)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"licence": " "}, "no-licence"),
        ({"source": ""}, "no-licence"),
        ({"content": ALPACA + "\n{"}, "bad-rows"),
        ({"content": "{", "skip_bad_rows": True}, "no-rows"),
        ({"content": "[1"}, "unreadable"),
    ],
)
def test_what_cannot_be_imported_is_refused_and_nothing_is_stored(cast: Cast, changes: Any, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        imported(cast, **{"content": ALPACA, **changes})

    assert refusal.value.code == code
    assert not DatasetImport.objects.exists()
    assert not Patient.objects.exists()


def test_faulty_rows_are_listed_beside_the_good_ones(cast: Cast) -> None:
    made = imported(cast, "{\n" + ALPACA, skip_bad_rows=True)

    assert made.n_rows == 12
    assert made.faults == [[1, "Not valid JSON at column 2 (Expecting property name enclosed in double quotes)."]]
    assert list(made.rows.values_list("number", flat=True)) == list(range(2, 14))


def test_rounds_and_imports_are_not_mixed_and_those_of_others_are_refused(cast: Cast) -> None:
    made = imported(cast)
    with pytest.raises(Refused) as mixed:
        freeze_dataset(project=cast.project, rounds=[agreed_round(cast)], imports=[made], title="Both", by=cast.lea)
    with pytest.raises(Refused) as instructed:
        freeze_dataset(project=cast.project, imports=[made], title="Mine", by=cast.lea, instruction="Say so.")
    with pytest.raises(Refused) as foreign:
        freeze_dataset(project=cast.other_project, imports=[made], title="Theirs", by=cast.zoe)
    with pytest.raises(Refused) as stranger:
        import_dataset(
            project=cast.project, title="x", source="x", licence="x", file_name="f", content=ALPACA, form="alpaca",
            mapping={}, by=cast.ben,
        )  # fmt: skip

    codes = [one.value.code for one in (mixed, instructed, foreign, stranger)]
    assert codes == ["mixed-sources", "instruction", "other-project", "permission"]
    assert not Dataset.objects.exists()


def test_an_import_never_changes(cast: Cast) -> None:
    made = imported(cast)
    for rows in (DatasetImport.objects.filter(pk=made.pk), made.rows.all()):
        with pytest.raises(DatabaseError, match="import"), transaction.atomic():
            rows.update(number=99)


def test_a_waiting_file_is_sealed_and_goes_with_the_import(cast: Cast) -> None:
    upload_dataset(project=cast.project, file_name="a.jsonl", content=ALPACA, by=cast.lea)
    with connection.cursor() as cursor:
        cursor.execute("SELECT content FROM training_datasetupload")
        assert "finding" not in str(cursor.fetchone())

    imported(cast)

    assert not DatasetUpload.objects.exists()
