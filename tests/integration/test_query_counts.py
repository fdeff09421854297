"""No page asks the database more often because there are more rows."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from annotation.actions.agreement import measure_agreement
from annotation.actions.annotations import claim_next, skip_item, submit_annotation
from annotation.actions.batches import import_notes
from annotation.actions.notes import release_notes, report_identifier
from annotation.actions.risk import draw_sample
from annotation.actions.rounds import close_round
from annotation.models import Batch, DeidentifiedNote, Round
from annotation.tasks import measure_agreement as measure_task
from clinicalft.actions import add_member, create_project, create_token, create_user, invite
from clinicalft.models import WorkStatus
from evaluation.actions.ratings import close_rating_round, open_rating_round, review_harm, submit_rating
from evaluation.models import Rating, RatingRound
from tests.factories.adapters import another_key, exported, registered_adapter
from tests.factories.evaluation import CLEAN, HALLUCINATED, clinicians, published, rate_all, two_arms
from tests.factories.notes import MAPPING, deidentified_batch, jsonl, note_rows
from tests.factories.quarantine import answer_next, scan_entered
from tests.factories.risk import measured_sample, review, signed_release
from tests.factories.rounds import annotate_all, label, open_round_with
from tests.factories.training import (
    agreed_round,
    frozen_dataset,
    imported,
    ready_base_model,
    swept,
    template_of,
    tokenised,
)
from tests.factories.workers import enrolled
from tests.personas import Cast, make_cast
from tests.test_access import ROWS
from training.actions.adapters import add_trusted_key
from training.actions.base_models import benchmark_base_model, note_base_model
from training.actions.runs import start_run
from training.models import Adapter, BaseModel, Run, RunEvent

FEW, MORE = 2, 4
World = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """A page by its URL name, who opens it, and its arguments in a world."""

    name: str
    who: str
    args: Callable[[World], list[Any]] = lambda world: []
    query: str = ""
    site: bool = False


def of(key: str) -> Callable[[World], list[Any]]:
    return lambda world: [world[key]]


def site(name: str, who: str, args: Callable[[World], list[Any]] = lambda world: []) -> Page:
    return Page(name, who, args, site=True)


def notes(cast: Cast, n: int) -> World:
    """`n` batches in quarantine, and one of `n` notes in each later state: waiting, released, withdrawn."""
    start = 1000 * n
    for i in range(n):
        import_notes(
            project=cast.project, file_name="a.jsonl", mapping=MAPPING, by=cast.priya,
            content=jsonl(note_rows(1, start=start + i)),
        )  # fmt: skip
    waiting = deidentified_batch(cast, n, start=start + 100)
    release_notes(deidentified_batch(cast, n, start=start + 200), by=cast.priya)
    withdrawn = deidentified_batch(cast, n, start=start + 300)
    release_notes(withdrawn, by=cast.priya)
    for item in open_round_with(cast, notes=_released(withdrawn)).items.all():
        report_identifier(item, by=cast.ben)
    return {"waiting": waiting.number, "note": waiting.notes.earliest("number").number}


def risk(cast: Cast, n: int) -> World:
    """`n` signed releases, a batch of which `n` notes were read with a leak in each, and one whose sample is open."""
    start = 1000 * n
    for i in range(n):
        signed_release(cast, deidentified_batch(cast, 1, start=start + i))
    measured = deidentified_batch(cast, 2 * n, start=start + 100)
    measured_sample(cast, measured, n, words={number: ["cough"] for number in _numbers(measured)})
    sample = draw_sample(measured, n_notes=n, n_reviews=1, by=cast.priya)
    drawn = sample.notes.values_list("text__note__number", flat=True)
    review(sample, cast.priya, {number: ["cough"] for number in drawn})
    still_open = draw_sample(deidentified_batch(cast, n, start=start + 200), n_notes=n, n_reviews=2, by=cast.priya)
    return {
        "measured": measured.number, "done": sample.number, "open": still_open.batch.number,
        "review": [still_open.number, 1], "release": cast.project.releases.latest("number").number,
    }  # fmt: skip


def _numbers(batch: Batch) -> list[int]:
    return list(batch.notes.values_list("number", flat=True))


def _released(batch: Batch) -> list[DeidentifiedNote]:
    return list(DeidentifiedNote.objects.filter(note__batch=batch))


def rounds(cast: Cast, n: int) -> World:
    """`n` open rounds and `n` closed ones of free text, each with its own guideline and schema; in the newest round `n`
    items are done, `n` skipped, and others wait."""
    for _ in range(n):
        open_round_with(cast, notes=1)
        close_round(open_round_with(cast, notes=1, kind="summary"), by=cast.lea)
    round = open_round_with(cast, notes=3 * n, annotators=[cast.ben, cast.eve, cast.cleo])
    for _ in range(n):
        slot = claim_next(round, by=cast.cleo)
        assert slot is not None
        skip_item(slot.item, by=cast.cleo, reason="UNCLEAR", comment="Which of the two?")
    annotate_some(round, cast, n)
    slot = claim_next(round, by=cast.ben)
    assert slot is not None
    return {
        "round": round.number, "item": [round.number, slot.item.number], "guideline": round.guideline_id,
        "schema": round.schema_id,
    }  # fmt: skip


def quarantine(cast: Cast, n: int) -> World:
    """`n` summaries of one closed round and as many comments that wait for a privacy officer."""
    round = open_round_with(cast, kind="summary", notes=n, overlap=2, annotators=[cast.ben, cast.eve])
    for person in (cast.ben, cast.eve):
        for _ in range(n):
            answer_next(round, person, {"text": "Dr. Quentin Abernathy came."}, comment="Call 555-201-0042.")
    close_round(round, by=cast.lea)
    scan_entered()
    return {"round": round.number, "item": [round.number, 1]}


def annotate_some(round: Round, cast: Cast, n: int) -> None:
    for _ in range(n):
        slot = claim_next(round, by=cast.ben)
        assert slot is not None
        submit_annotation(slot.item, by=cast.ben, raw={"label": "sick"}, revision=0)


def agreement(cast: Cast, n: int) -> World:
    """A closed round in which readers differ on every item, measured `n` times."""
    round = open_round_with(cast, notes=n, overlap=3)
    annotate_all(round, {cast.ben: label("well"), cast.eve: label("sick"), cast.cleo: label("sick")})
    close_round(round, by=cast.lea)
    for _ in range(n):
        measure_task(measure_agreement(round, by=cast.lea).pk)
    return {"round": round.number, "item": [round.number, 1]}


def training(cast: Cast, n: int) -> World:
    """`n` datasets, base models, and runs with their adapters; the newest dataset holds 12 items a time."""
    for i in range(n):
        dataset = frozen_dataset(cast, agreed_round(cast, n=12 * n if i == n - 1 else 12))
        run = start_run(
            project=cast.project, dataset=dataset, base_model=ready_base_model(cast, f"tiny-{n}-{i}"), by=cast.ada,
            config={},
        )  # fmt: skip
        adapter = Adapter.objects.create(
            project=cast.project, number=Adapter.objects.count() + 1, run=run, folder=f"run-{run.pk}/adapter",
            sha256="00" * 32, manifest={"files": {}}, card={},
        )  # fmt: skip
    _events(run, n)
    sweep = swept(cast, dataset, run.base_model, rank=list(range(1, n + 1)))
    for each in sweep.runs.all():
        _events(each, n)
    for i in range(n):
        template = template_of(cast, title=f"Template {n}-{i}")
        tokenised(dataset, run.base_model, by=cast.lea, max_length=100 + i)
    rows = [{"instruction": "Ring.", "input": f"Ring Anna Kowal{number}", "output": "Yes"} for number in range(9 * n)]
    made = imported(cast, "\n".join(map(json.dumps, rows)))
    return {
        "import": made.number,
        "dataset": dataset.number,
        "template": template.number,
        "run": run.number,
        "sweep": sweep.number,
        "adapter": adapter.number,
        "base_model": run.base_model_id,
    }


def adapters(cast: Cast, n: int) -> World:
    """`n` adapters on one base model, the newest with `n` exports, and as many trusted keys, notes and benchmarks."""
    adapter = registered_adapter(cast, folder=f"tiny-{n}")
    for i in range(n):
        adapter = registered_adapter(cast, base_model=adapter.base_model, dataset=adapter.dataset)
        _events(adapter.run, n)
        note_base_model(adapter.base_model, text="Slow.", by=cast.ada)
        benchmark_base_model(adapter.base_model, name="MedQA", n_right=1, n=2, source="Here.", by=cast.ada)
        add_trusted_key(name=f"Site {n}-{i}", public_key=another_key(), by=cast.ada)
    for _ in range(n):
        exported(adapter, cast)
    return {"adapter": adapter.number, "base_model": adapter.base_model.pk}


def _events(run: Run, n: int) -> None:
    kinds = {
        "step": {"loss": 2.0, "epoch": 0.5, "tokens_per_second": 100, "memory": 10},
        "evaluation": {"loss": 2.0, "epoch": 0.5, "n": 4, "n_scored": 4, "n_exact": 1, "exact_match": 0.25},
        "sample": {"id": "1", "text": "well", "reference": "sick"},
    }
    lines = [(kind, step, values) for step in range(n) for kind, values in kinds.items()]
    RunEvent.objects.bulk_create(
        RunEvent(run=run, attempt=1, position=position, kind=kind, step=step, values=values)
        for position, (kind, step, values) in enumerate(lines)
    )


def evaluation(cast: Cast, n: int) -> World:
    """`n` closed rating rounds with a report each, the newest over `n` notes; in it and in an open one, `n` outputs
    are flagged, and every other flag of the closed one was reviewed."""
    for i in range(n):
        inferences = two_arms(cast, n if i == n - 1 else 1)
        closed = open_rating_round(
            project=cast.project, title="Closed", inferences=inferences, raters=clinicians(cast, 3), by=cast.lea
        )
        rate_all(closed, lambda rater, rating: {"answers": {"accuracy": 4}, "flags": _flags(rating)})
        close_rating_round(closed, by=cast.lea)
        if i == n - 1:
            _review(closed, cast, n)
        report = published(closed, cast.lea)
    arms = two_arms(cast, n)
    waiting = open_rating_round(
        project=cast.project, title="Open", inferences=arms, raters=clinicians(cast, 3), by=cast.lea
    )
    for rating in waiting.ratings.filter(rater=cast.ben).select_related("output")[:n]:
        submit_rating(rating, by=cast.ben, answers={"accuracy": 4}, flags=_flags(rating))
    following = waiting.ratings.filter(rater=cast.ben, status="WAITING").earliest("position")
    return {
        "inference": arms[0].number, "closed": closed.number, "open": waiting.number, "report": report.number,
        "adapter": report.adapter.number, "rating": [waiting.number, following.position],
    }  # fmt: skip


def _flags(rating: Rating) -> dict[str, Any]:
    return {**CLEAN, "hallucination": HALLUCINATED} if rating.output.inference.arm == "ADAPTER" else CLEAN


def _review(closed: RatingRound, cast: Cast, n: int) -> None:
    flagged = closed.ratings.filter(flags__hallucination__raised=True).select_related("output")
    for output in list({rating.output_id: rating.output for rating in flagged}.values())[: n // 2]:
        review_harm(closed, output, flag="hallucination", outcome="DISMISSED", reason="In the note.", by=cast.cleo)


def workers(cast: Cast, n: int) -> World:
    """`n` GPU hosts, each at work, and `n` pieces of work that wait."""
    for i in range(n):
        host = enrolled(cast, f"gpu-{n}-{i}", key=f"key-{n}-{i}")
        busy, waits = (ready_base_model(cast, f"{word}-{n}-{i}") for word in ("busy", "waits"))
        BaseModel.objects.filter(pk=waits.pk).update(status=WorkStatus.QUEUED)
        host.devices.update(
            work_type="training.BaseModel", work_id=busy.pk, work_attempt=1,
            leased_until=timezone.now() + timedelta(hours=1),
        )  # fmt: skip
    return {"worker": host.pk}


def people(cast: Cast, n: int) -> World:
    """`n` more members, invitations, tokens of Lea, and projects in which Lea leads and Ben annotates."""
    for i in range(n):
        create_token(name=f"script {i}", days=1, by=cast.lea)
        user = create_user(email=f"new{n}-{i}@example.org", name=f"New {i}", password=None, by=cast.ada)
        add_member(user=user, project=cast.project, roles=["clinician"], by=cast.ada)
        invite(email=f"guest{n}-{i}@example.org", name="Guest", roles=["lead"], project=cast.project, by=cast.ada)
        project = create_project(name=f"Project {n}-{i}", description="", by=cast.ada)
        add_member(user=cast.lea, project=project, roles=["lead"], by=cast.ada)
        add_member(user=cast.ben, project=project, roles=["clinician"], by=cast.ada)
    return {}


EVERYWHERE = [
    *(site("home", who) for who in ("ada", "ben", "cleo", "lea", "priya", "otto")),
    *(Page("project-detail", who) for who in ("ada", "ben", "cleo", "lea", "priya", "otto")),
    Page("project-audit", "otto"),
    site("site-audit", "otto"),
]
AREAS: dict[Callable[[Cast, int], World], list[Page]] = {
    notes: [
        Page("annotation:batch-list", "priya"), Page("annotation:batch-detail", "priya", of("waiting")),
        Page("annotation:batch-detail", "priya", of("waiting"), "status=DEIDENTIFIED"),
        Page("annotation:notes-release", "priya", of("waiting")), Page("annotation:note-review", "priya", of("note")),
        Page("annotation:note-list", "ben"), Page("annotation:note-list", "ben", query="q=bronchitis"),
        Page("annotation:incident-list", "priya"),
        Page("annotation:note-queue", "priya"),
        Page("annotation:term-list", "priya"),
    ],
    risk: [
        Page("annotation:notes-release", "priya", of("measured")),
        Page("annotation:notes-release", "priya", of("open")),
        Page("annotation:reviewed-list", "priya", of("measured")),
        Page("annotation:reviewed-list", "priya", of("measured"), "leaks"),
        Page("annotation:sample-review", "priya", lambda world: world["review"]),
        Page("annotation:sample-measure", "priya", of("done")), Page("annotation:release-list", "otto"),
        Page("annotation:certificate-detail", "otto", of("release")),
        Page("annotation:certificate-verify", "otto", of("release")),
    ],
    quarantine: [
        Page("annotation:quarantine-list", "priya"), Page("annotation:agreement-items", "lea", of("round")),
        Page("annotation:item-adjudicate", "lea", lambda world: world["item"]),
        Page("annotation:work-done", "ben", of("round")),
    ],
    rounds: [
        Page("annotation:gate-list", "lea"), Page("annotation:round-list", "lea"),
        Page("annotation:round-detail", "lea", of("round")),
        Page("annotation:round-open", "lea"), Page("annotation:annotators-add", "lea", of("round")),
        Page("annotation:guideline-list", "lea"), Page("annotation:guideline-detail", "lea", of("guideline")),
        Page("annotation:schema-list", "lea"), Page("annotation:schema-detail", "lea", of("schema")),
        Page("training:dataset-freeze", "lea"), Page("annotation:work-list", "ben"),
        Page("annotation:work-round", "eve", of("round")),
        Page("annotation:work-done", "ben", of("round")),
        Page("annotation:work-item", "ben", lambda world: world["item"]),
    ],
    agreement: [
        Page("annotation:agreement-detail", "lea", of("round")), Page("annotation:agreement-items", "lea", of("round")),
        Page("annotation:agreement-items", "lea", of("round"), "unsettled=on"),
        Page("annotation:agreement-items", "lea", of("round"), "label=sick"),
        Page("annotation:item-adjudicate", "lea", lambda world: world["item"]),
        Page("annotation:planning-detail", "lea"), Page("api-rounds", "lea"),
        *(Page(f"api-{what}", "lea", of("round")) for what in ("measurements", "live-agreement", "ratings")),
    ],
    training: [
        Page("training:dataset-list", "lea"), Page("training:dataset-detail", "lea", of("dataset")),
        Page("training:dataset-import-detail", "lea", of("import")), Page("training:prompt-template-list", "lea"),
        Page("training:prompt-template-detail", "lea", of("template")), Page("training:prompt-template-make", "lea"),
        Page("training:dataset-tokens", "lea", of("dataset")), Page("training:population-change", "lea"),
        Page("training:dataset-freeze", "lea"), Page("training:run-list", "lea"), Page("training:run-start", "ada"),
        Page("training:run-detail", "ada", of("run")), Page("training:run-progress", "lea", of("run")),
        Page("training:run-curve", "lea", of("run")), Page("training:run-compare", "lea", query="run=1&run=2"),
        Page("training:sweep-list", "lea"), Page("training:sweep-start", "ada"),
        Page("training:sweep-detail", "lea", of("sweep")), Page("training:sweep-export", "lea", of("sweep")),
        Page("training:adapter-detail", "lea", of("adapter")),
        site("base-model-list", "ada"), site("base-model-detail", "ada", of("base_model")),
        site("base-model-register", "ada"),
    ],
    adapters: [
        Page("training:adapter-list", "lea"), Page("training:adapter-detail", "lea", of("adapter")),
        Page("training:adapter-import", "ada"), site("trusted-key-list", "ada"), site("base-model-catalogue", "ada"),
        site("base-model-detail", "ada", of("base_model")),
    ],
    evaluation: [
        Page("evaluation:inference-list", "lea"), Page("evaluation:inference-start", "ada"),
        Page("evaluation:inference-detail", "lea", of("inference")),
        Page("evaluation:rating-round-list", "lea"), Page("evaluation:rating-round-open", "lea"),
        Page("evaluation:rating-round-detail", "lea", of("closed")),
        Page("evaluation:rating-round-detail", "lea", of("open")),
        Page("evaluation:rating-agreement", "lea", of("closed")),
        Page("evaluation:rating-agreement-export", "lea", lambda world: [world["closed"], "csv"]),
        Page("evaluation:rating-round-rows", "lea", of("closed"), query="pick=rated&sort=accuracy"),
        Page("evaluation:rating-round-rows", "lea", of("closed")), Page("evaluation:harm-list", "cleo", of("closed")),
        Page("evaluation:rating-list", "ben"), Page("evaluation:rating-work", "ben", lambda world: world["rating"]),
        Page("evaluation:report-list", "lea"), Page("evaluation:report-detail", "lea", of("report")),
        Page("evaluation:report-rows", "lea", of("report")), Page("evaluation:report-lineage", "lea", of("report")),
        Page("evaluation:adapter-lineage", "lea", of("adapter")),
    ],
    workers: [site("worker-list", "ada"), site("worker-detail", "ada", of("worker"))],
    people: [
        Page("member-list", "ada"), Page("member-list", "ben"), site("user-list", "ada"), site("token-list", "lea"),
    ],
}  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("grow", AREAS, ids=lambda grow: grow.__name__)
def test_more_rows_are_no_more_queries(grow: Callable[[Cast, int], World]) -> None:
    cast = make_cast()
    pages = [*AREAS[grow], *EVERYWHERE]
    few = grow(cast, FEW)
    before = [queries(page, cast, few) for page in pages]
    more = grow(cast, MORE)

    grown = []
    for page, asked in zip(pages, before, strict=True):
        again = queries(page, cast, more)
        if len(again) != len(asked):
            head = f"{page.name} {page.query} as {page.who}: {len(asked)} became {len(again)}"
            grown.append(f"{head}\n{repeated(again)}")
    assert not grown, "\n".join(grown)


def queries(page: Page, cast: Cast, world: World) -> list[str]:
    """The statements of one visit."""
    args = page.args(world)
    address = reverse(page.name, args=args if page.site else [cast.project.slug, *args])
    client = Client()
    client.force_login(getattr(cast, page.who))
    with CaptureQueriesContext(connection) as found:
        answer = client.get(f"{address}?{page.query}" if page.query else address)
    assert answer.status_code == 200, f"{page.name} as {page.who} answered {answer.status_code}"
    return [query["sql"] for query in found]


def repeated(statements: list[str]) -> str:
    """Statements that begin alike and were asked more than twice: the likely culprits, for the message."""
    starts = [statement[:150] for statement in statements]
    return "\n".join(f"    {starts.count(start)} x {start}" for start in sorted(set(starts)) if starts.count(start) > 2)


def test_every_page_that_lists_rows_is_walked() -> None:
    """A list page that is missing above would go unwatched: the names of lists and details say which there are.

    Incidents and policies count their own queries, in the tests of their pages.
    """
    walked = {page.name for pages in AREAS.values() for page in pages} | {page.name for page in EVERYWHERE}
    opened = {name for name, (_, row) in ROWS.items() if row.get is not None}
    lists = {name for name in opened if name.endswith(("-list", "-rows", "-items", "-done", "-detail"))}
    own = {"annotation:incident-detail", "annotation:policy-detail"}
    assert lists - walked - own == {"annotation:note-detail"}, "one note, which grows with nothing"
