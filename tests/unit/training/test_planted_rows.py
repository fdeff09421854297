"""A planted test item, a planted patient and a planted identifier each stop the freeze or the run, and are named."""

from collections.abc import Mapping
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from psycopg.types.json import Jsonb

from annotation.actions.notes import report_identifier
from annotation.actions.rounds import close_round
from clinicalft import jobs
from clinicalft.access import Refused
from clinicalft.models import WorkStatus
from tests.factories.notes import released_notes as imported_and_released
from tests.factories.quarantine import scan_entered
from tests.factories.rounds import annotate_all, open_round_with, released_notes
from tests.factories.training import ALPACA, agreed_round, frozen_dataset, frozen_import, imported, ready_base_model
from tests.personas import Cast, make_cast
from training import tasks
from training.actions.base_models import build_base_model
from training.actions.runs import start_run
from training.models import Dataset, Example, Run, Split
from training.named_rows import RowRefused

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def changed_behind_our_back(table: str, key: int, values: Mapping[str, Any]) -> None:
    """Changes a frozen row as only somebody with the database in their hands could."""
    said = ", ".join(f"{column} = %s" for column in values)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(f"UPDATE {table} SET {said} WHERE id = %s", [*values.values(), key])
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def long_text(number: int) -> str:
    """Sixty words that no other number has."""
    return " ".join(f"finding{number}n{place}" for place in range(60))


@pytest.fixture
def two(cast: Cast) -> tuple[Example, Example]:
    """A learnt example of one dataset and a held-out one of another, of different patients and texts."""
    first, second = (
        frozen_dataset(
            cast, agreed_round(cast, notes=released_notes(cast, [long_text(n + 100 * k) for n in range(12)]))
        )
        for k in (1, 2)
    )
    held = first.examples.filter(split=Split.TEST).select_related("item__note").first()
    learnt = second.examples.filter(split=Split.TRAIN).select_related("item__note").first()
    return learnt, held


def started(cast: Cast, dataset: Dataset) -> Run:
    return start_run(project=cast.project, dataset=dataset, base_model=ready_base_model(cast), by=cast.ada, config={})


def named(*examples: Example) -> list[str]:
    return [f"Example {each.number} of Dataset {each.dataset.number}" for each in examples]


@pytest.mark.parametrize(
    ("planted", "what"), [("patient_id", "a patient"), ("sha256", "a text")], ids=["patient", "hash"]
)
def test_a_run_on_a_planted_patient_or_text_does_not_start(
    cast: Cast, two: tuple[Example, Example], planted: str, what: str
) -> None:
    learnt, held = two
    changed_behind_our_back("training_example", learnt.pk, {planted: getattr(held, planted)})

    with pytest.raises(RowRefused) as refusal:
        started(cast, learnt.dataset)
    with pytest.raises(RowRefused) as refusal_to_build:
        build_base_model(name="Tiny", datasets=[learnt.dataset], by=cast.ada, config={}, licence="CC0", credit="Us")

    row, other = named(learnt, held)
    assert refusal_to_build.value.sentence == refusal.value.sentence
    assert refusal.value.sentence.startswith(f"{row} has {what} in common with {other}, which is held out")
    assert [str(each) for each in refusal.value.rows] == [row, other]
    assert not Run.objects.exists()


def test_the_form_of_a_run_says_why_not_and_leads_to_both_rows(cast: Cast, two: tuple[Example, Example]) -> None:
    learnt, held = two
    base_model = ready_base_model(cast)
    changed_behind_our_back("training_example", learnt.pk, {"patient_id": held.patient_id})
    client = Client()
    client.force_login(cast.ada)
    address = reverse("training:run-start", args=[cast.project.slug])
    form = client.get(address).context["form"]
    values = {name: form[name].value() for name in form.fields}
    said = {name: value for name, value in values.items() if value is not None and value is not False}

    answer = client.post(address, {**said, "dataset": learnt.dataset_id, "base_model": base_model.pk})

    page = answer.content.decode()
    assert answer.status_code == 422
    assert f"{named(learnt)[0]} has a patient in common with {named(held)[0]}" in page
    for each in (learnt, held):
        place = reverse("training:dataset-detail", args=[cast.project.slug, each.dataset.number])
        assert f'<a href="{place}?example={each.number}#example-{each.number}">' in page


def test_the_worker_asks_again_and_the_page_of_the_run_leads_to_both_rows(
    cast: Cast, two: tuple[Example, Example]
) -> None:
    learnt, held = two
    run = started(cast, learnt.dataset)
    # After the start: nearly the text of what is held out, in other words of another patient.
    near = held.item.note.text.upper() + " and two words"
    changed_behind_our_back("annotation_deidentifiednote", learnt.item.note.pk, {"text": near})

    tasks.train_run(run.pk)

    run.refresh_from_db()
    row, other = named(learnt, held)
    assert run.status == WorkStatus.FAILED
    assert run.error.startswith(f"{row} has nearly a text in common with {other}, which is held out")
    client = Client()
    client.force_login(cast.ada)
    page = client.get(reverse("training:run-detail", args=[cast.project.slug, run.number])).content.decode()
    assert run.error in page
    for each in (learnt, held):
        place = reverse("training:dataset-detail", args=[cast.project.slug, each.dataset.number])
        assert f'<a href="{place}?example={each.number}#example-{each.number}">' in page
    shown = client.get(f"{place}?example={held.number}").content.decode()
    assert held.item.note.text in shown
    assert shown.count('class="panel" id="example-') == 1


def test_a_text_that_was_taken_away_after_the_freeze_is_learnt_from_by_nobody(cast: Cast) -> None:
    dataset = frozen_dataset(cast)
    example = dataset.examples.filter(split=Split.TRAIN).select_related("item").first()
    report_identifier(example.item, by=cast.lea)

    with pytest.raises(Refused, match=f"The text of Example {example.number} of Dataset 1 was taken away since"):
        started(cast, dataset)
    with pytest.raises(Refused, match=f"The text of Example {example.number} of Dataset 1 was taken away since"):
        build_base_model(name="Tiny", datasets=[dataset], by=cast.ada, config={}, licence="CC0", credit="Us")

    client = Client()
    client.force_login(cast.lea)
    place = reverse("training:dataset-detail", args=[cast.project.slug, dataset.number])
    page = client.get(f"{place}?example={example.number}").content.decode()
    assert "Its text was taken away" in page
    assert example.item.note.text not in page


def test_an_identifier_planted_in_an_answer_stops_the_freeze_and_names_the_item(cast: Cast) -> None:
    round = open_round_with(cast, kind="summary", notes=10, overlap=1, annotators=(cast.ben,))
    annotate_all(round, {cast.ben: lambda item: {"text": "He is well."}})
    close_round(round, by=cast.lea)
    scan_entered()
    item = round.items.select_related("note__note").get(number=3)
    planted = Jsonb({"text": "Dr. Quentin Abernathy, 555-201-4433, says that he is well."})
    changed_behind_our_back("annotation_annotation", item.annotations.get().pk, {"payload": planted})

    dataset = frozen_dataset(cast, round)

    assert dataset.status == WorkStatus.FAILED
    assert dataset.error.startswith(f"Item 3 of Round {round.number} may hold an identifier in its answer (")
    assert "Abernathy" not in dataset.error
    assert not dataset.examples.exists()
    client = Client()
    client.force_login(cast.lea)
    page = client.get(reverse("training:dataset-detail", args=[cast.project.slug, dataset.number])).content.decode()
    place = reverse("annotation:note-detail", args=[cast.project.slug, item.note.note.number])
    assert f'<a href="{place}">Item 3 of Round {round.number}</a>' in page


def test_a_name_that_the_source_knows_stops_the_freeze_when_it_stands_in_a_note(cast: Cast) -> None:
    notes = imported_and_released(cast, 12)
    changed_behind_our_back(
        "annotation_deidentifiednote", notes[4].pk, {"text": "Ms. Santos-Okafor, Petrova, is well."}
    )
    round = agreed_round(cast, notes=notes)

    dataset = frozen_dataset(cast, round)

    item = round.items.get(note=notes[4])
    assert dataset.status == WorkStatus.FAILED
    assert dataset.error.startswith(
        f"Item {item.number} of Round {round.number} may hold an identifier in its note (name"
    )
    assert "Petrova" not in dataset.error


def test_an_imported_row_with_a_planted_identifier_stops_the_freeze_and_names_the_row(cast: Cast) -> None:
    made = imported(cast)
    row = made.rows.get(number=5)
    planted = [*row.contents[:-1], "Call Dr. Quentin Abernathy, 555-201-4433."]
    changed_behind_our_back("training_importedexample", row.pk, {"contents": Jsonb(planted)})

    dataset = frozen_import(cast, made)

    assert dataset.status == WorkStatus.FAILED
    assert dataset.error.startswith("Row 5 of Import 1 may hold an identifier in its answer (")
    assert dataset.stopped_by == [{"kind": "imported", "of": 1, "number": 5}]


def test_a_planted_copy_of_a_held_out_row_is_left_out_of_the_next_freeze_with_the_reason(cast: Cast) -> None:
    texts = [long_text(number) for number in range(12)]
    first = frozen_dataset(cast, agreed_round(cast, notes=released_notes(cast, texts)))
    held = first.examples.filter(split=Split.TEST).select_related("item__note").first()

    second = frozen_dataset(
        cast,
        agreed_round(cast, notes=released_notes(cast, [held.item.note.text, *(long_text(n) for n in range(20, 50))])),
    )

    copies = second.examples.filter(messages__1__content=held.item.note.text)
    assert set(copies.values_list("split", flat=True)) <= {Split.TEST}
    assert sum(n for _, n in second.excluded) == 1 - copies.count()


def test_alpaca_rows_hold_no_identifier_that_the_last_look_would_see(cast: Cast) -> None:
    dataset = frozen_import(cast, imported(cast, ALPACA))

    assert dataset.status == WorkStatus.DONE
    assert jobs.claim(Dataset, dataset.pk) is None
