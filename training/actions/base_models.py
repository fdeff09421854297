"""Base models that are built from datasets; what the site has to say about any: notes, and benchmarks with counts."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from django.db import transaction
from django.utils.text import slugify

from clinicalft import audit
from clinicalft.access import Refused, check_permission
from clinicalft.models import User
from clinicalft.roles import Permission
from training.actions.runs import build_demo_model
from training.engine.config import BuildConfig
from training.engine.outcome import BadInput
from training.models import BaseModel, BaseModelBenchmark, BaseModelNote, Dataset, DatasetImport, Split
from training.rules.runs import check_may_be_learnt
from training.snapshot import example_rows


@transaction.atomic
def build_base_model(
    *, name: str, datasets: Collection[Dataset], by: User, config: Mapping[str, Any], licence: str = "",
    credit: str = "",
) -> BaseModel:  # fmt: skip
    """Queues the building of a tiny base model from the training parts of datasets, refused as a run on each would be.

    `config` holds values of BuildConfig. Where no licence and no credit is said, they are those of the imports; text
    of rounds has none of its own. Raises Refused("config") naming what is out of range or missing.
    """
    check_permission(by, Permission.BASE_MODEL_REGISTER)
    folder = slugify(name)
    if not folder:
        raise Refused("name", "Its folder is called like it, so give it a name with Latin letters or figures.")
    for dataset in datasets:
        check_permission(by, Permission.RUN_START, dataset.project)
        check_may_be_learnt(dataset)
    imports = DatasetImport.objects.filter(datasets__in=datasets).distinct().order_by("project", "number")
    said = {
        "licence": licence or ", ".join(dict.fromkeys(made.licence for made in imports)),
        "credit": credit or "; ".join(dict.fromkeys(made.source for made in imports)),
    }
    try:
        checked = BuildConfig.from_json({**said, **config})
    except BadInput as error:
        raise Refused("config", f"{error.sentence} {error.advice}") from error
    made = build_demo_model(name=name, folder=folder, by=by, config=checked, corpus=_corpus(datasets))
    audit.record("BASE_MODEL_BUILD", made, by=by, datasets=[dataset.pk for dataset in datasets])
    return made


def _corpus(datasets: Iterable[Dataset]) -> Iterator[dict[str, str]]:
    """Rows {"text"}, one for each message but the system's, of the training parts of `datasets`."""
    for dataset in datasets:
        for row in example_rows(dataset, Split.TRAIN):
            yield from ({"text": said["content"]} for said in row["messages"] if said["role"] != "system")


@transaction.atomic
def note_base_model(base_model: BaseModel, *, text: str, by: User) -> BaseModelNote:
    """A note that stays: whoever thinks otherwise later adds another."""
    check_permission(by, Permission.BASE_MODEL_REGISTER)
    note = BaseModelNote.objects.create(base_model=base_model, text=text.strip(), created_by=by)
    audit.record("BASE_MODEL_NOTE", note, by=by, base_model=base_model.pk)
    return note


@transaction.atomic
def benchmark_base_model(
    base_model: BaseModel, *, name: str, n_right: int, n: int, source: str, by: User
) -> BaseModelBenchmark:
    """How many of `n` questions it answered rightly; the counts are kept, so that the share can carry an interval."""
    check_permission(by, Permission.BASE_MODEL_REGISTER)
    if not 0 <= n_right <= n or n < 1:
        raise Refused("counts", "Of n questions at least none and at most all can be answered rightly.")
    made = BaseModelBenchmark.objects.create(
        base_model=base_model, name=name.strip(), n_right=n_right, n=n, source=source.strip(), created_by=by
    )
    audit.record("BASE_MODEL_BENCHMARK", made, by=by, base_model=base_model.pk, n_right=n_right, n=n)
    return made
