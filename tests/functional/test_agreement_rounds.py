"""What a lead reads about the agreement of six kinds of round, in a real browser.

Every headline is computed here a second time from the answers alone, by other code than ours or by the definition.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sklearn.metrics import cohen_kappa_score

from annotation.actions.agreement import measure_agreement
from annotation.actions.annotations import claim_next, skip_item, submit_annotation
from annotation.actions.rounds import close_round
from annotation.models import Agreement, Round
from annotation.tasks import measure_agreement as measure_task
from clinicalft.models import User, WorkStatus
from tests.factories.rounds import CODES, coded, marked, open_round_with
from tests.functional.accessibility import faults
from tests.functional.conftest import Window
from tests.personas import Cast

TEXT = "Dyspnoea for three days. No chest pain. Aspirin 100 mg, then heparin. Mother had a stroke."
Answers = Mapping[User, Sequence[Any]]


@pytest.fixture
def page(window: Window, cast: Cast) -> Page:
    return window(cast.lea)


def read(cast: Cast, answers: Answers, *, kind: str, overlap: int | None = None, **options: Any) -> Round:
    """A closed and measured round: of note number i, in the order of the batch, each person says `answers[person][i]`.

    None passes the note on, which leaves it without that reader.
    """
    people = list(answers)
    n = max(len(said) for said in answers.values())
    notes = [f"{TEXT}\nNote {i + 1}." for i in range(n)]
    round = open_round_with(
        cast, kind=kind, notes=notes, annotators=people, overlap=overlap or len(people), **options
    )  # fmt: skip
    place = {note: i for i, note in enumerate(round.items.order_by("note").values_list("note", flat=True))}
    for person in people:
        while slot := claim_next(round, by=person):
            said = answers[person][place[slot.item.note_id]]
            if said is None:
                skip_item(slot.item, by=person, reason="NOT_MY_FIELD")
            else:
                raw = said(slot.item) if callable(said) else {"label": said}
                submit_annotation(slot.item, by=person, raw=raw, revision=0)
    close_round(round, by=cast.lea)
    agreement = measure_agreement(round, by=cast.lea)
    measure_task(agreement.pk)
    agreement.refresh_from_db()
    assert agreement.status == WorkStatus.DONE, agreement.error
    return round


def opened(page: Page, round: Round) -> Agreement:
    """Opens the page of the round's agreement, which breaks no rule of accessibility."""
    page.goto(f"/projects/{round.project.slug}/rounds/{round.number}/agreement/")
    expect(page.locator("[data-module]:not([data-mounted])")).to_have_count(0)
    assert faults(page) == []
    return round.agreements.get()


def words(page: Page) -> str:
    return page.locator("main").inner_text()


def headline(page: Page) -> str:
    """The words of the number that counts: its name, its value, its interval, its method and how many items."""
    return page.locator("main .number").first.inner_text()


def says(text: str, *wanted: str) -> bool:
    plain = text.replace("\u00a0", " ").casefold()
    missing = [one for one in wanted if one.casefold() not in plain]
    assert not missing, f"{missing} not in:\n{text}"
    return True


# ---------- a second opinion on each headline


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def strict_f1(first: Sequence[set[Any]], second: Sequence[set[Any]]) -> float:
    matched = sum(len(a & b) for a, b in zip(first, second, strict=True))
    return 2 * matched / sum(len(a) + len(b) for a, b in zip(first, second, strict=True))


def masi(a: frozenset[str], b: frozenset[str]) -> float:
    if a == b:
        return 0.0
    inside = 2 / 3 if a < b or b < a else 1 / 3 if a & b else 0.0
    return 1 - inside * len(a & b) / len(a | b)


def alpha(pairs: Sequence[tuple[frozenset[str], frozenset[str]]]) -> float:
    """Krippendorff's alpha of two readers of everything: 1 - distance within items / distance over all answers."""
    every = [one for pair in pairs for one in pair]
    return 1 - mean([masi(*pair) for pair in pairs]) / mean([masi(*pair) for pair in combinations(every, 2)])


def fleiss(items: Sequence[Sequence[str]]) -> float:
    """Fleiss' kappa for unequal numbers of readers: agreement of the items with two or more, shares of all items."""
    shared = [Counter(said) for said in items if len(said) > 1]
    observed = mean([sum(k * (k - 1) for k in c.values()) / (c.total() * (c.total() - 1)) for c in shared])
    labels = {label for said in items for label in said}
    expected = sum(mean([said.count(label) / len(said) for said in items]) ** 2 for label in labels)
    return (observed - expected) / (1 - expected)


# ---------- the six rounds


def test_a_span_round(page: Page, cast: Cast) -> None:
    dyspnoea, stroke, absent = ("problem", "Dyspnoea"), ("problem", "stroke"), ("problem", "chest pain", "absent")
    pain, aspirin, dose = ("problem", "chest pain"), ("treatment", "Aspirin"), ("treatment", "Aspirin 100 mg")
    bens = [(dyspnoea, absent), (dyspnoea, dose), (absent, stroke), (), (dyspnoea, pain, dose, stroke), (dyspnoea,)]
    eves = [(dyspnoea, absent), (dyspnoea, aspirin), (pain,), (), (dyspnoea, pain, dose), (dyspnoea, stroke)]
    answers = {cast.ben: [marked(*said) for said in bens], cast.eve: [marked(*said) for said in eves]}
    round = read(cast, answers, kind="entities")

    opened(page, round)

    expected = strict_f1([{one[:2] for one in said} for said in bens], [{one[:2] for one in said} for said in eves])
    assert says(headline(page), "F1 of spans, strict", f"{expected:.2f}", " to ", "6 items")
    assert says(words(page), "Of the spans that two readers marked", "without an equal one of another reader")
    assert says(words(page), "F1 of spans, overlapping", "unitizing", "Strict F1 between each two readers")
    n_treatments = sum(label == "treatment" for said in (*bens, *eves) for label, *_ in said)
    treatment = page.get_by_role("region", name="Labels").get_by_role("row", name="treatment")
    assert treatment.get_by_role("cell").nth(1).inner_text() == str(n_treatments)
    both = [(problems(a), problems(b)) for a, b in zip(bens, eves, strict=True)]
    same = [a[quote] == b[quote] for a, b in both for quote in a.keys() & b.keys()]
    n_any = sum(len(a.keys() | b.keys()) for a, b in both)
    row = page.get_by_role("row", name="assertion").inner_text()
    assert says(row, f"{len(same)} of {n_any}", f"{100 * mean(same):.1f} %", "absent 3", "possible 0")


def problems(said: Sequence[tuple[str, ...]]) -> dict[str, str]:
    """The assertion of each marked problem; what nobody pressed is present."""
    return {quote: (*rest, "present")[0] for label, quote, *rest in said if label == "problem"}


def test_a_code_set_round(page: Page, cast: Cast) -> None:
    copd, failure, pressure = sorted(CODES, reverse=True)
    bens = [(copd,), (copd, failure), (pressure,), (copd, pressure), (failure,), (copd, failure, pressure)]
    eves = [(copd,), (copd,), (pressure,), (copd, failure), (pressure,), (copd, failure)]
    round = read(
        cast, {cast.ben: [codes(*w) for w in bens], cast.eve: [codes(*w) for w in eves]}, kind="coding"
    )  # fmt: skip

    opened(page, round)

    expected = alpha([(frozenset(a), frozenset(b)) for a, b in zip(bens, eves, strict=True)])
    assert says(headline(page), "Krippendorff's alpha, MASI", f"{expected:.2f}", " to ", "6 items")
    n_left_out = max(sum((code in a) != (code in b) for a, b in zip(bens, eves, strict=True)) for code in CODES)
    assert says(words(page), f"was given by one reader and left out by another on {n_left_out} items")
    n_with = {code: sum(code in a + b for a, b in zip(bens, eves, strict=True)) for code in CODES}
    for code, n in n_with.items():
        row = page.get_by_role("region", name="Labels").get_by_role("row", name=code)
        assert row.get_by_role("link", name=str(n), exact=True).count() == 1


def codes(*wanted: str) -> Callable[[Any], dict[str, Any]]:
    return lambda item: {"codes": [coded(code, "Dyspnoea")(item)["codes"][0] for code in wanted]}


ORDINAL = {"question": "How bad is it?", "labels": "none\nmild\nmoderate\nsevere", "data_type": "ordinal"}


def test_an_ordinal_round(page: Page, cast: Cast) -> None:
    scale = ["none", "mild", "moderate", "severe"]
    bens = [scale[i] for i in (0, 1, 2, 3, 1, 2, 0, 3, 2, 1)]
    eves = [scale[i] for i in (0, 2, 2, 3, 1, 1, 0, 1, 3, 1)]
    round = read(cast, {cast.ben: bens, cast.eve: eves}, kind="classification", content=ORDINAL)

    opened(page, round)

    expected = cohen_kappa_score(bens, eves, labels=scale, weights="quadratic")
    assert says(headline(page), "Cohen's kappa, quadratic weights", f"{expected:.2f}", " to ", "10 items")
    raw = mean([a == b for a, b in zip(bens, eves, strict=True)])
    assert says(words(page), "Raw agreement", f"{100 * raw:.1f} %", "2 readers, 10 items, 20 annotations")
    assert says(words(page), "“mild” and “moderate” were taken for each other on 2 items of the 7 that have either")


def test_a_round_with_missing_ratings(page: Page, cast: Cast) -> None:
    answers = {
        cast.ben: ["well", "well", "sick", None, "sick", "dying", "well", "sick"],
        cast.eve: ["well", "sick", None, "sick", "sick", "dying", None, "sick"],
        cast.cleo: [None, "well", "sick", "sick", "sick", "sick", None, "well"],
    }
    round = read(cast, answers, kind="classification")

    opened(page, round)

    items = [[said for said in column if said] for column in zip(*answers.values(), strict=True)]
    n_paired = sum(len(said) > 1 for said in items)
    assert says(headline(page), "Fleiss' kappa", f"{fleiss(items):.2f}", " to ")
    assert says(words(page), "3 readers", f"{sum(map(len, items))} annotations", "Raw agreement")
    assert says(words(page), "1 item with one answer only: agreement cannot be seen in it.")
    assert n_paired == 7, "one item has a single reader, and counts for how common labels are"


def test_a_single_rater_round(page: Page, cast: Cast) -> None:
    answers = {cast.ben: ["well", "sick"] * 3}
    round = read(cast, answers, kind="classification", overlap=1)

    opened(page, round)

    assert says(headline(page), "Fleiss' kappa", "Undefined", "no item has two ratings", "6 items")
    assert says(words(page), "1 reader, 6 items", "Not enough data", "0 items were annotated by two or more")
    assert says(words(page), "That is not the same as 0.", "6 items with one answer only")


def test_a_constant_rater_round(page: Page, cast: Cast) -> None:
    answers = {cast.ben: ["well"] * 8, cast.eve: ["well", "sick", "well", "well", "sick", "well", "well", "well"]}
    round = read(cast, answers, kind="classification")

    opened(page, round)

    assert says(headline(page), "Cohen's kappa", "0.00", "8 items", "Ben used one category only")
    assert says(words(page), "Ben gave one answer all the time", "“well”, 8 times", "Raw agreement", "75.0 %")
    assert says(words(page), "Ask Ben how the question was understood: all 8 items got one answer, “well”.")
    assert "Eve gave one answer" not in words(page)


def test_a_lead_chooses_items_and_reads_their_numbers(page: Page, cast: Cast) -> None:
    """On a phone: the form is folded, what is chosen stands above the numbers, and one tap takes it away."""
    answers = {cast.ben: ["well", "sick"] * 6, cast.eve: ["well", "sick", "sick", "sick"] * 3}
    round = read(cast, answers, kind="classification")
    page.set_viewport_size({"width": 360, "height": 780})
    opened(page, round)

    page.get_by_text("Choose items").click()
    page.get_by_label("sick").check()
    page.get_by_role("button", name="Show", exact=True).click()

    found = sum("sick" in pair for pair in zip(*answers.values(), strict=True))
    assert says(words(page), f"{found} of 12 items", "the gate reads the frozen one", "Label: sick")
    assert says(words(page), "their agreement says nothing about the round")
    assert faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.get_by_role("link", name="Remove filter Label: sick").click()
    assert says(words(page), "2 readers, 12 items, 24 annotations")


def test_a_lead_reads_an_open_round_so_far(page: Page, cast: Cast) -> None:
    round = open_round_with(cast, notes=12, annotators=[cast.ben, cast.eve])
    for person, said in ((cast.ben, ["well", "sick"]), (cast.eve, ["well", "sick", "sick"])):
        while slot := claim_next(round, by=person):
            raw = {"label": said[slot.item.number % len(said)]}
            submit_annotation(slot.item, by=person, raw=raw, revision=0)

    page.goto(f"/projects/{round.project.slug}/rounds/{round.number}/agreement/")

    pairs = [(("well", "sick")[n % 2], ("well", "sick", "sick")[n % 3]) for n in range(1, 13)]
    expected = cohen_kappa_score(*zip(*pairs, strict=True))
    assert says(headline(page), "Cohen's kappa, so far", f"{expected:.2f}", "12 items")
    assert says(words(page), "So far; the round is open.")
    assert page.locator("main a[href*='items/']").count() == 0
    assert faults(page) == []
