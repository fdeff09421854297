"""Building a base model from datasets: from what, under which licence, and who may."""

import json

import pytest

from clinicalft.access import Refused
from clinicalft.models import AuditEvent, WorkStatus
from tests.factories.training import frozen_dataset, frozen_import, imported
from tests.personas import Cast, make_cast
from training.actions.base_models import build_base_model
from training.actions.datasets import freeze_dataset
from training.models import BaseModel, Split
from training.snapshot import build_folder

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def test_it_learns_the_training_part_under_the_licence_of_the_imports_and_the_log_says_of_which(cast: Cast) -> None:
    dataset = frozen_import(cast, imported(cast))

    made = build_base_model(name="Tiny One", datasets=[dataset], by=cast.ada, config={"steps": 12})

    corpus = [json.loads(line)["text"] for line in build_folder(made).data("corpus").read_text().splitlines()]
    learnt = dataset.examples.filter(split=Split.TRAIN).order_by("number")
    assert corpus == [message["content"] for example in learnt for message in example.messages]
    assert (made.folder, made.licence, made.note) == ("tiny-one", "CC0-1.0", "Made up for tests.")
    assert (made.status, made.is_demo) == (WorkStatus.QUEUED, True)
    assert AuditEvent.objects.get(act="BASE_MODEL_BUILD").detail["datasets"] == [dataset.pk]


def test_text_of_rounds_brings_no_licence_so_it_has_to_be_said(cast: Cast) -> None:
    dataset = frozen_dataset(cast)

    with pytest.raises(Refused, match="licence: This must not be empty") as refusal:
        build_base_model(name="Tiny", datasets=[dataset], by=cast.ada, config={})

    assert refusal.value.code == "config"
    assert build_base_model(name="Tiny", datasets=[dataset], by=cast.ada, config={}, licence="ours", credit="us").pk


def test_it_is_refused_to_leads_before_the_freeze_and_without_a_name_for_its_folder(cast: Cast) -> None:
    waiting = freeze_dataset(project=cast.project, imports=[imported(cast)], title="Sections", by=cast.lea)

    for name, by, code in (("Tiny", cast.lea, "permission"), ("Tiny", cast.ada, "not-frozen"), ("Σ", cast.ada, "name")):
        with pytest.raises(Refused) as refusal:
            build_base_model(name=name, datasets=[waiting], by=by, config={})
        assert refusal.value.code == code
    assert not BaseModel.objects.exists()
