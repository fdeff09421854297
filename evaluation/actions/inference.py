"""Step 9: adapters and their base model answer the held-out notes; each answer becomes an output exactly once."""

from collections.abc import Callable, Iterable
from math import fsum
from typing import Any

from django.db import transaction

from annotation.actions.quarantine import Hits, hold_scanned
from annotation.kinds import KINDS
from clinicalft import audit, jobs
from clinicalft.access import Refused
from clinicalft.actions import next_number
from clinicalft.lib.hashing import sha256_text
from clinicalft.models import User, WorkStatus
from evaluation.forecast import forecast_inference
from evaluation.models import Arm, Inference, Output
from evaluation.rules.inference import (
    check_asked,
    check_cancel_inference,
    check_has_form,
    check_resume_inference,
    check_server,
    check_start_inference,
    check_together,
)
from training.engine.config import GenerateConfig
from training.engine.outcome import BadInput
from training.models import Adapter, Dataset, Example, Split

Row = dict[str, Any]
LONGEST_IMPORTED_ANSWER = 256
Scan = Callable[[Output], Hits]
"""What looks like an identifier in a new output; nothing when it is clean."""


@transaction.atomic
def start_inference(
    *adapters: Adapter, by: User, split: str = Split.TEST, config: dict[str, Any] | None = None,
    dataset: Dataset | None = None, server: str = "", with_base: bool = True,
) -> list[Inference]:  # fmt: skip
    """Queues an inference of one split for each adapter and, for comparison, one of their base model, in that order.

    Adapters of this site answer the dataset that they were trained on; an imported one is given a `dataset`. `config`
    holds values of GenerateConfig; all get the same. `server` is an address that this site allows; empty computes on a
    worker. Raises Refused("config") naming what is out of range.
    """
    locked = Adapter.objects.select_for_update(of=("self",), no_key=True).with_origin().select_related("project")
    systems = list(locked.filter(pk__in=[adapter.pk for adapter in adapters]).order_by("number"))
    for adapter in systems:
        check_start_inference(by, adapter)
    first = systems[0]
    dataset = check_together(systems, [check_asked(adapter, adapter.dataset or dataset) for adapter in systems])
    check_server(server)
    n_examples = dataset.examples.filter(split=split).count()
    if not n_examples:
        raise Refused("empty-split", f"{dataset} has no examples in its split “{Split(split).label}”.")
    arms: list[tuple[str, Adapter]] = [(Arm.ADAPTER, adapter) for adapter in systems]
    arms += [(Arm.BASE, first)] if with_base else []
    number = next_number(Inference, first.project)
    made = [
        Inference.objects.create(
            project=first.project, number=number + place, group=number, arm=arm, adapter=adapter,
            base_model=first.base_model, dataset=dataset, split=split, server=server, created_by=by, n_total=n_examples,
            config=inference_config(
                adapter, dataset, config or {}, served_as=served_name(arm, adapter) if server else ""
            ).identity(),
        )
        for place, (arm, adapter) in enumerate(arms)
    ]  # fmt: skip
    expected = forecast_inference(made[0], n_systems=len(made))
    for inference in made:
        inference.forecast = expected.to_json()
        inference.save(update_fields=["forecast"])
        audit.record(
            "INFERENCE_START", inference, by=by, adapter=inference.adapter_id, arm=inference.arm, split=split,
            server=server,
        )  # fmt: skip
        jobs.enqueue(inference)
    return made


def served_name(arm: str, adapter: Adapter) -> str:
    """The name under which a server on the network has to have an adapter, or its base model: by its digest."""
    digest = adapter.sha256 if arm == Arm.ADAPTER else adapter.base_model.sha256
    return f"{arm.lower()}-{digest[:12]}"


def inference_config(
    adapter: Adapter, dataset: Dataset, chosen: dict[str, Any], *, served_as: str = ""
) -> GenerateConfig:
    """What an adapter answers a dataset with: `chosen`, and for the rest what suits both. Raises Refused("config")."""
    kind = KINDS[dataset.kind] if dataset.kind else None
    values = {
        "max_new_tokens": kind.longest_answer if kind else LONGEST_IMPORTED_ANSWER,
        "precision": adapter.config.get("precision", GenerateConfig.precision),
        # Questions are shortened in use as they were in training, or the adapter sees what it never learnt.
        "max_question": adapter.config.get("max_question", GenerateConfig.max_question),
        **chosen,
        "served_as": served_as,
        "base_model": adapter.base_model.folder,
    }
    try:
        config = GenerateConfig.from_json(values)
    except BadInput as error:
        raise Refused("config", error.sentence) from error
    if config.is_structured:
        check_has_form(dataset)
    return config


@transaction.atomic
def cancel_inference(inference: Inference, *, by: User) -> None:
    """Stops waiting inference at once and running inference after the answers in hand; they are kept."""
    check_cancel_inference(by, inference)
    jobs.request_cancel(inference, by=by)


@transaction.atomic
def resume_inference(inference: Inference, *, by: User) -> None:
    """Queues failed or cancelled inference again; it answers what has no answer yet."""
    check_resume_inference(by, inference)
    jobs.retry(inference, by=by)


def join_waiting(lease: jobs.Lease) -> list[jobs.Lease]:
    """Claims whatever waits of the group of an inference, to be answered along with it by one engine."""
    leading = Inference.objects.get(pk=lease.pk)
    waiting = Inference.objects.filter(project=leading.project_id, group=leading.group, status=WorkStatus.QUEUED)
    keys = waiting.exclude(pk=leading.pk).order_by("number").values_list("pk", flat=True)
    return [found for pk in keys if (found := jobs.join(lease, pk))]


def record_outputs(lease: jobs.Lease, rows: Iterable[Row], scan: Scan) -> int:
    """Stores the engine's answers (rows of `outputs.jsonl`), each once, however often they are read.

    `scan` looks for identifiers; an answer in which it sees one waits for a privacy officer. Returns how many answers
    the inference has now. Raises LeaseLost.
    """
    given = {int(row["id"]): row for row in rows}
    inference = Inference.objects.get(pk=lease.pk)
    examples = Example.objects.filter(dataset__inferences=inference, number__in=given)
    examples = examples.exclude(outputs__inference=inference)
    outputs = [
        _output(inference, example, given[example.number])
        for example in examples.select_related("item__note", "item__round__schema", "imported__dataset_import")
    ]
    seen = [scan(output) for output in outputs]
    with transaction.atomic():
        # Whoever holds the lease is the only one who writes, so what was missing above is missing now.
        jobs.hold(lease)
        made = Output.objects.bulk_create(outputs)
        notes = [_note_of(output.example) for output in made]
        hold_scanned(zip(made, notes, seen, strict=True), fields=("text",))
        return inference.outputs.count()


def _output(inference: Inference, example: Example, row: Row) -> Output:
    # PostgreSQL has no place for the NUL character, which a byte-level model may well write.
    text = row["text"].replace("\x00", "\ufffd")
    reference = example.messages[-1]["content"]
    return Output(
        inference=inference, project_id=inference.project_id, example=example, number=example.number,
        source_text=_source_text(example), reference=reference, text=text, text_sha256=sha256_text(text),
        n_tokens=row["n_tokens"], seconds=row["seconds"], finish=row["finish"],
        is_match=is_match(example, reference, text), token_logprobs=row.get("logprobs"),
        logprob=fsum(row["logprobs"]) if row.get("logprobs") else None,
    )  # fmt: skip


def _note_of(example: Example | None) -> int | None:
    """The key of the note that an example was made from; an imported one was made from none."""
    return example.item.note.note_id if example and example.item else None


def _source_text(example: Example) -> str:
    """What the model was asked about: the note, or all that comes before the answer of an imported example."""
    if example.item:
        return example.item.note.text
    return "\n\n".join(message["content"] for message in example.messages[:-1])


def is_match(example: Example, reference: str, text: str) -> bool | None:
    """Whether an answer is equal to the reference as its kind compares answers; None for free text, as all imported
    answers are."""
    if example.item is None:
        return None
    kind, schema = KINDS[example.item.round.kind], example.item.round.schema.content
    note = example.item.note.text
    expected = kind.parse_answer(reference, schema, note)
    wanted = kind.identity(expected, schema) if expected is not None else None
    if wanted is None:
        return None
    answer = kind.parse_answer(text, schema, note)
    return answer is not None and kind.identity(answer, schema) == wanted


@transaction.atomic
def finish_inference(lease: jobs.Lease, *, log_tail: str, result: dict[str, Any] | None = None) -> None:
    """Ends an inference well once every example has its output; refuses to call it done while some are missing.

    `result` is what the engine says of its last attempt.
    """
    inference = Inference.objects.get(pk=lease.pk)
    n_done = inference.outputs.count()
    if n_done < (inference.n_total or 0):
        raise Refused("missing", f"{n_done} of {inference.n_total} answers arrived. Start it again; it goes on there.")
    jobs.finish(lease, n_done=n_done, log_tail=log_tail, result=result or {})
