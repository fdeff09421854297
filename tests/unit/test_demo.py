"""The demo is built by the real actions on real public text, and its numbers are those that were published."""

import json
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from annotation.models import Agreement, Item, ItemStatus, Note, NoteStatus, Round
from clinicalft import audit
from clinicalft.demo import people, published, sections, visits
from clinicalft.demo.notes import DATA, carried
from clinicalft.models import Project, User, WorkStatus
from evaluation.models import Rating
from tests.factories.rounds import make_codes
from training.models import BaseModel, Dataset
from training.snapshot import build_folder

pytestmark = pytest.mark.django_db

# Cohen's kappa of the two raters on what both rated, of the published data set (scikit-learn's cohen_kappa_score).
KAPPAS = {
    "Fluency": 0.5185, "Population": 0.3343, "Intervention": 0.6007, "Outcome": 0.2442, "Direction target": 0.8482,
    "Direction generated": 0.7842, "Strength target": 0.3043, "Strength generated": 0.7739,
}  # fmt: skip


def test_published_agreement_comes_out_of_the_published_ratings() -> None:
    published.build(people.make_people())

    measured = {row.round.title: row for row in Agreement.objects.select_related("round")}
    assert {title: row.estimates["cohen_kappa"]["value"] for title, row in measured.items()} == pytest.approx(
        KAPPAS, abs=5e-5
    )
    assert {row.status for row in measured.values()} == {WorkStatus.DONE}
    raters = User.objects.filter(is_imported=True)
    assert raters.count() == 4, "two readers of the rounds, and the same two as raters of the outputs"
    assert Rating.objects.filter(rating_round__is_imported=True, status="SUBMITTED").count() == 2 * 39
    assert not any(rater.has_usable_password() for rater in raters), "nobody logs in as a real person"


def test_visits_have_a_finished_round_of_badged_readers_and_two_open_ones() -> None:
    make_codes()
    project = visits.build(people.make_people(), n_notes=8)

    assert Note.objects.filter(project=project, status=NoteStatus.RELEASED).count() == 8
    finished = Round.objects.get(title="Reason for the visit")
    assert list(finished.annotators.values_list("is_simulated", flat=True)) == [True] * 3
    assert set(finished.items.values_list("status", flat=True)) == {ItemStatus.COMPLETE}
    assert finished.agreements.get().n_ratings == 24
    still_open = Round.objects.filter(status="OPEN")
    assert {round.kind for round in still_open} == {"coding", "summary"}
    assert not User.objects.filter(rounds__in=still_open, is_simulated=True).exists(), "these wait for the newcomer"
    assert audit.verify().is_intact


def test_sections_end_in_a_frozen_dataset_and_a_base_model_that_never_saw_its_test_part() -> None:
    sections.build(people.make_people(), n_notes=60)

    dataset = Dataset.objects.get()
    assert (dataset.status, dataset.n_train + dataset.n_validation + dataset.n_test) == (WorkStatus.DONE, 60)
    assert Item.objects.filter(round__is_gold=True, status=ItemStatus.COMPLETE).count() == 60
    base_model = BaseModel.objects.get()
    corpus = built_from(base_model)
    learnt, held_out = (
        {example.messages[1]["content"] for example in dataset.examples.filter(split=split)}
        for split in ("TRAIN", "TEST")
    )
    assert learnt <= corpus
    assert held_out
    assert not held_out & corpus


def built_from(base_model: BaseModel) -> set[str]:
    """The texts that the worker will build the tiny base model from."""
    lines = build_folder(base_model).data("corpus").read_text(encoding="utf-8").splitlines()
    return {json.loads(line)["text"] for line in lines}


def test_building_twice_adds_nothing(capsys: Any) -> None:
    make_codes()
    cast = people.make_people()
    visits.build(cast, n_notes=3)
    sections.build(cast, n_notes=40)
    Project.objects.create(slug="published-ratings", name=published.NAME, created_by=cast["ada"])
    before = counted()

    call_command("demo")
    call_command("demo", "--if-empty")

    assert counted() == before
    printed = capsys.readouterr().out
    assert all(email in printed for email, _, _ in people.logins())


def counted() -> dict[str, int]:
    """How many rows each table has."""
    ours = ("clinicalft", "annotation", "training", "evaluation")
    return {m._meta.label: m._default_manager.count() for m in apps.get_models() if m._meta.app_label in ours}


def test_a_site_with_a_project_of_its_own_stays_as_it_is() -> None:
    owner = User.objects.create(email="own@example.org", name="Own")
    Project.objects.create(slug="own", name="Own", created_by=owner)
    before = counted()

    call_command("demo", "--if-empty")

    assert counted() == before


def test_the_published_password_is_never_built_into_production(settings: Any) -> None:
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="published password"):
        call_command("demo")
    assert not User.objects.exists()


def test_everyone_of_the_cast_can_log_in() -> None:
    people.make_people()

    assert {name for email, password, name in people.logins() if authenticate(username=email, password=password)} == {
        name for name, _, _ in people.CAST.values()
    }


def test_every_carried_file_says_whose_it_is() -> None:
    credits = (DATA / "CREDITS.md").read_text(encoding="utf-8")
    files = sorted(path.name for path in DATA.iterdir() if path.name != "CREDITS.md")
    lines = {name: line for name in files for line in credits.splitlines() if line.startswith(f"| `{name}`")}

    assert sorted(lines) == files
    for name, line in lines.items():
        assert "CC BY 4.0" in line or "Apache License 2.0" in line
        assert f"({len(carried(name.removesuffix('.jsonl'))):,} " in line, f"{name} has another number of rows"
