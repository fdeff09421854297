"""A dataset in the tokens of a base model: a worker counts where the models are, once, and the page shows every row."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from annotation.actions.notes import report_identifier
from clinicalft.access import Refused
from clinicalft.models import WorkStatus
from tests.factories.rounds import released_notes
from tests.factories.training import (
    agreed_round,
    frozen_dataset,
    ready_base_model,
    registered_base_model,
    template_of,
    write_tiny_model,
)
from tests.personas import Cast, make_cast
from training.actions.tokenisations import tokenise_dataset
from training.models import Dataset, Tokenisation
from training.tasks import tokenise_dataset as tokenise_task
from training.tokens import by_part, lengths, truncated

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with one tiny model in it, for all tests of this file."""
    folder = tmp_path_factory.mktemp("models")
    write_tiny_model(folder / "tiny")
    return folder


@pytest.fixture
def cast(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Cast:
    monkeypatch.setattr(settings, "MODELS_DIR", models_dir)
    return make_cast()


def long_and_short(cast: Cast, **options: object) -> Dataset:
    """Notes of few and of many words."""
    texts = [f"Note {n} says that the patient is well {'and sick with cough ' * (10 * n)}." for n in range(12)]
    return frozen_dataset(cast, agreed_round(cast, notes=released_notes(cast, texts)), **options)


def counted(cast: Cast, dataset: Dataset, **options: int) -> Tokenisation:
    found = tokenise_dataset(dataset, registered_base_model(cast), by=cast.lea, **options)
    tokenise_task(found.pk)
    found.refresh_from_db()
    assert found.status == WorkStatus.DONE, found.error
    return found


def test_every_row_that_a_run_would_learn_from_is_counted_once_and_no_file_stays(cast: Cast) -> None:
    dataset = long_and_short(cast, template=template_of(cast, n_shots=1))
    found = counted(cast, dataset, max_length=4096)

    parts = by_part(found)
    rows = {row.example_id: row for row in found.rows.all()}
    learnt = dataset.examples.exclude(split="TEST").filter(is_shot=False)
    assert rows.keys() == set(learnt.values_list("pk", flat=True))
    assert [part.n for part in parts] == [dataset.n_train, dataset.n_validation]
    assert sum(part.n_kept for part in parts) == sum(row.n_tokens for row in rows.values())
    for example in learnt:
        pieces = rows[example.pk].pieces
        assert "".join(text for text, is_learnt in pieces if is_learnt).startswith(example.answer)
        assert example.messages[-2]["content"] in pieces[0][0]
        assert sum(is_learnt for _, is_learnt in pieces) == 1
    bars = lengths(found)
    assert sum(bar["n"] for bar in bars) == len(rows)
    assert all(bar["high"] + 1 == after["low"] for bar, after in pairwise(bars))
    assert not list(Path(settings.RUNS_DIR).glob("tokens-*"))
    # Asked again, by whomever: nothing is counted twice.
    assert tokenise_dataset(dataset, found.base_model, by=cast.ada, max_length=4096) == found
    tokenise_task(found.pk)
    assert found.rows.count() == len(rows)


def test_the_page_says_which_answers_are_cut_links_to_them_and_marks_what_is_learnt(cast: Cast) -> None:
    dataset = long_and_short(cast)
    found = counted(cast, dataset, max_length=520)
    # Of twelve notes four do not fit: whichever two are held out, some are cut, and of five on a page not all.
    cut = list(truncated(found.rows.select_related("example")).order_by("example__number"))
    assert cut
    client = Client()
    client.force_login(cast.lea)
    place = reverse("training:dataset-tokens", args=[cast.project.slug, dataset.number])

    page = client.get(place).content.decode()
    only = client.get(place, {"by": found.pk, "only": "cut"}).content.decode()
    one = client.get(place, {"example": cut[0].example.number}).content.decode()

    assert f'<a href="?by={found.pk}&amp;only=cut#rows">' in page
    assert "Learnt from here: " in page
    assert '<mark class="on-label-2">' in page
    for row in cut[:5]:
        assert f'id="example-{row.example.number}"' in only
    assert "Its whole answer is cut away, so a run would be refused." in one
    assert one.count("<article") == 1
    # What is taken away later is shown no more.
    report_identifier(cut[0].example.item, by=cast.lea)
    gone = client.get(place, {"example": cut[0].example.number}).content.decode()
    assert "Its text was taken away" in gone
    assert "that the patient is well" in one
    assert "that the patient is well" not in gone


def test_a_tokenizer_that_changed_since_it_was_registered_is_named(cast: Cast, models_dir: Path) -> None:
    dataset, base_model = frozen_dataset(cast), registered_base_model(cast)
    path = models_dir / "tiny" / "tokenizer_config.json"
    before = path.read_text()
    try:
        path.write_text(json.dumps({**json.loads(before), "note": "changed"}))
        found = tokenise_dataset(dataset, base_model, by=cast.lea)
        tokenise_task(found.pk)
    finally:
        path.write_text(before)

    found.refresh_from_db()
    assert found.status == WorkStatus.FAILED
    assert found.error.startswith("tokenizer_config.json of Tiny tiny is not what was registered.")


def test_only_who_freezes_or_trains_counts_and_only_within_limits(cast: Cast) -> None:
    dataset, base_model = frozen_dataset(cast), ready_base_model(cast)

    with pytest.raises(Refused) as refusal:
        tokenise_dataset(dataset, base_model, by=cast.otto)
    assert refusal.value.code == "permission"
    with pytest.raises(Refused) as refusal:
        tokenise_dataset(dataset, base_model, by=cast.lea, max_length=3)
    assert refusal.value.code == "config"
    assert not Tokenisation.objects.exists()
