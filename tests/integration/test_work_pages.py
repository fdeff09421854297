"""The workbench: one item after the other, by its pages, and blind."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotation.actions.annotations import acknowledge_guideline, claim_next, save_draft
from annotation.actions.rounds import NewGuideline, close_round
from annotation.models import Annotation, Assignment, Code, Item, Round, Skip
from tests.factories.rounds import CODE_SET, annotate_all, evidence, label, make_codes, open_round_with
from tests.pages import as_
from tests.personas import Cast, make_cast

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
SICK = {"payload": '{"label": "sick"}', "revision": 0}


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def url(cast: Cast, name: str, *args: Any) -> str:
    return reverse(f"annotation:{name}", args=[cast.project.slug, *args])


def test_reading_the_guideline_leads_to_the_first_item_and_each_submission_to_the_next(cast: Cast) -> None:
    round = open_round_with(cast, notes=2, overlap=1, has_read=False)
    ben, n = as_(cast.ben), round.number
    assert "I have read it" in ben.get(url(cast, "work-round", n)).content.decode()
    assert ben.post(url(cast, "next-claim", n)).headers["Location"] == url(cast, "work-round", n)

    first = ben.post(url(cast, "guideline-acknowledge", n)).headers["Location"]
    assert first == url(cast, "work-item", n, 1)
    assert "How sick is this person?" in ben.get(first).content.decode()
    assert ben.get(url(cast, "work-round", n)).headers["Location"] == first, "an item in hand comes first"

    answer = ben.post(url(cast, "annotation-submit", n, 1), SICK, headers=HTMX)
    assert answer.headers["HX-Push-Url"] == url(cast, "work-item", n, 2)
    assert 'id="workbench"' in answer.content.decode()
    assert "<html" not in answer.content.decode()
    last = ben.post(url(cast, "annotation-submit", n, 2), SICK, headers=HTMX)
    assert last.headers["HX-Redirect"] == url(cast, "work-round", n)
    assert "Nothing waits for you here" in ben.get(url(cast, "work-round", n)).content.decode()


def test_without_script_submitting_redirects_to_the_next_item(cast: Cast) -> None:
    round = open_round_with(cast, notes=2)
    ben = as_(cast.ben)
    first = ben.post(url(cast, "next-claim", round.number)).headers["Location"]
    assert ben.post(f"{first}submit/", SICK).headers["Location"] == url(cast, "work-item", round.number, 2)


def test_opening_an_item_and_submitting_it_takes_few_queries_however_many_items_there_are(cast: Cast) -> None:
    counts = []
    for n_notes in (3, 30):
        round = open_round_with(cast, notes=n_notes)
        ben = as_(cast.ben)
        with CaptureQueriesContext(connection) as opening:
            address = ben.post(url(cast, "next-claim", round.number)).headers["Location"]
        with CaptureQueriesContext(connection) as submitting:
            assert ben.post(f"{address}submit/", SICK, headers=HTMX).status_code == 200
        counts.append((len(opening), len(submitting)))

    assert counts[0] == counts[1]
    assert counts[0] == (9, 19)


def test_a_draft_is_saved_and_shown_again(cast: Cast) -> None:
    round = open_round_with(cast)
    ben = as_(cast.ben)
    address = ben.post(url(cast, "next-claim", round.number)).headers["Location"]

    saved = ben.post(f"{address}draft/", {**SICK, "comment": "Unsure", "seconds": 5})

    assert saved.json() == {"revision": 1}
    page = ben.get(address)
    assert page.context["payload"] == {"label": "sick"}
    assert "Unsure" in page.content.decode()


def test_a_stale_draft_is_refused_with_both_versions(cast: Cast) -> None:
    round = open_round_with(cast)
    ben = as_(cast.ben)
    address = ben.post(url(cast, "next-claim", round.number)).headers["Location"]
    ben.post(f"{address}draft/", SICK)
    well = {"payload": '{"label": "well"}', "revision": 0}

    stale = ben.post(f"{address}draft/", well)
    assert stale.status_code == 409
    said = stale.json()
    assert said["revision"] == 1
    assert "well" in said["mine"]
    assert "sick" in said["theirs"]

    submitted = ben.post(f"{address}submit/", well, headers=HTMX)
    assert submitted.status_code == 409
    assert submitted.headers["HX-Retarget"] == "#work-fault"
    assert Annotation.objects.get().payload == {"label": "sick"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"payload": "{}", "revision": 0}, "Choose a label first"),
        ({"payload": '{"label": "worse"}', "revision": 0}, "is not a label of this schema version"),
        ({"payload": "{", "revision": 0}, "unreadable"),
        ({"payload": "{}"}, "unreadable"),
        ({**SICK, "comment": "x" * 2001}, "longer than 2,000 characters"),
    ],
)
def test_an_answer_that_cannot_be_taken_gets_one_sentence_and_nothing_is_lost(
    cast: Cast, data: dict[str, Any], words: str
) -> None:
    round = open_round_with(cast)
    ben = as_(cast.ben)
    address = ben.post(url(cast, "next-claim", round.number)).headers["Location"]

    answer = ben.post(f"{address}submit/", data, headers=HTMX)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert answer.headers["HX-Retarget"] == "#work-fault"
    assert Assignment.objects.get(annotator=cast.ben).status == "CLAIMED"


@pytest.mark.parametrize("payload", ["{", '{"label": "worse"}', "[]"])
def test_a_draft_that_cannot_be_kept_says_why(cast: Cast, payload: str) -> None:
    round = open_round_with(cast)
    ben = as_(cast.ben)
    address = ben.post(url(cast, "next-claim", round.number)).headers["Location"]
    answer = ben.post(f"{address}draft/", {"payload": payload, "revision": 0})
    assert answer.status_code == 422
    assert answer.json()["sentence"]


def test_a_lost_item_shows_its_draft_and_cannot_be_submitted(cast: Cast) -> None:
    round = open_round_with(cast, notes=1, overlap=1)
    ben, eve = as_(cast.ben), as_(cast.eve)
    address = ben.post(url(cast, "next-claim", round.number)).headers["Location"]
    ben.post(f"{address}draft/", SICK)
    Assignment.objects.update(leased_until="2020-01-01T00:00Z")
    eve.post(url(cast, "next-claim", round.number))

    page = ben.get(address)
    assert page.context["is_lost"]
    assert "The draft stays yours" in page.content.decode()
    assert ben.post(f"{address}lease/").status_code == 409
    assert ben.post(f"{address}submit/", {**SICK, "revision": 1}, headers=HTMX).status_code == 409
    assert ben.post(f"{address}draft/", {**SICK, "revision": 1}).json() == {"revision": 2}


def test_skipping_leads_to_the_next_item(cast: Cast) -> None:
    round = open_round_with(cast, notes=2)
    ben = as_(cast.ben)
    address = ben.post(url(cast, "next-claim", round.number)).headers["Location"]
    assert ben.post(f"{address}skip/", {"reason": "BORED"}, headers=HTMX).status_code == 422

    answer = ben.post(f"{address}skip/", {"reason": "UNCLEAR", "comment": "Both?"}, headers=HTMX)

    assert answer.headers["HX-Push-Url"] == url(cast, "work-item", round.number, 2)
    assert Skip.objects.get().comment == "Both?"
    assert ben.get(address).status_code == 404


def test_a_note_with_an_identifier_is_gone_for_everyone_even_those_who_finished_it(cast: Cast) -> None:
    round = open_round_with(cast, notes=1, overlap=2)
    ben, eve = as_(cast.ben), as_(cast.eve)
    address = ben.post(url(cast, "next-claim", round.number)).headers["Location"]
    ben.post(f"{address}submit/", SICK)
    eve.post(url(cast, "next-claim", round.number))

    eve.post(f"{address}skip/", {"reason": "IDENTIFIER", "comment": "Line 1"}, headers=HTMX)

    text = Item.objects.get().note.text
    for client in (ben, eve):
        for name in ("work-item", "work-round", "work-done"):
            args = (round.number, 1) if name == "work-item" else (round.number,)
            page = client.get(url(cast, name, *args))
            assert text[:40] not in page.content.decode()
    assert ben.get(address).status_code == 409
    assert list(ben.get(url(cast, "work-done", round.number)).context["page"]) == []


def test_own_finished_items_can_be_read_but_not_changed(cast: Cast) -> None:
    make_codes()
    round = open_round_with(cast, kind="coding")
    ben = as_(cast.ben)
    address = ben.post(url(cast, "next-claim", round.number)).headers["Location"]
    span = evidence(Item.objects.get(round=round, number=1).note.text, "dyspnoea")
    payload = {"codes": [{"code": "J44.1", "evidence": [span]}]}
    ben.post(f"{address}submit/", {"payload": json.dumps(payload), "revision": 0})

    page = ben.get(address)
    assert page.context["editor_config"]["readonly"]
    assert page.context["editor_config"]["spans"] == [{**span, "label": "J44.1"}]
    assert "J44.1" in page.content.decode()
    assert "Chronic obstructive" in ben.get(url(cast, "work-done", round.number)).content.decode()
    assert ben.post(f"{address}draft/", {"payload": json.dumps({"codes": []}), "revision": 0}).status_code == 409


def test_what_changed_in_the_guideline_is_shown_to_whoever_read_the_version_before(cast: Cast) -> None:
    first = open_round_with(cast, has_read=False)
    acknowledge_guideline(first, by=cast.ben)
    changed = NewGuideline(first.guideline.title, "# How\n\nRead twice.")
    second = open_round_with(cast, has_read=False, guideline=changed)

    page = as_(cast.ben).get(url(cast, "work-round", second.number))
    assert ("added", "Read twice.") in page.context["changes"]
    assert as_(cast.eve).get(url(cast, "work-round", second.number)).context["changes"] == []


def test_nobody_sees_a_peers_work_before_the_round_is_closed(cast: Cast) -> None:
    """Every page of steps 3 to 5 that an annotator can reach is read for what a peer wrote."""
    round = open_round_with(cast, kind="summary", notes=2, overlap=2)
    planted = "PLANTED-WORDS of a peer"
    item = claim_next(round, by=cast.ben)
    assert item is not None
    save_draft(item.item, by=cast.ben, raw={"text": planted}, revision=0, comment="PLANTED-COMMENT")
    submit = {"payload": json.dumps({"text": planted}), "revision": 1, "comment": "PLANTED-COMMENT"}
    as_(cast.ben).post(url(cast, "annotation-submit", round.number, 1), submit)
    eve, cleo = as_(cast.eve), as_(cast.cleo)

    for client in (eve, cleo):
        assert client.get(url(cast, "work-item", round.number, 1)).status_code == 404
        for name in ("draft-save", "annotation-submit", "lease-extend"):
            body = {"payload": "{}", "revision": 0}
            assert client.post(url(cast, name, round.number, 1), body).status_code in (409, 422)
        for address in reachable(cast, round):
            shown = client.get(address)
            assert "PLANTED" not in shown.content.decode(), address
    slot = claim_next(round, by=cast.eve)
    while slot is not None and slot.item.number != 1:
        as_(cast.eve).post(url(cast, "item-skip", round.number, slot.item.number), {"reason": "NOT_MY_FIELD"})
        slot = claim_next(round, by=cast.eve)
    assert slot is not None, "the item that Ben has done reaches Eve"
    assert "PLANTED" not in eve.get(url(cast, "work-item", round.number, 1)).content.decode()


def reachable(cast: Cast, round: Round) -> list[str]:
    n = round.number
    pages: list[tuple[str, list[Any]]] = [
        ("work-list", []), ("work-round", [n]), ("work-done", [n]), ("round-list", []), ("round-detail", [n]),
        ("guideline-list", []), ("guideline-detail", [round.guideline_id]), ("schema-list", []),
        ("schema-detail", [round.schema_id]), ("agreement-detail", [n]), ("agreement-items", [n]),
        ("agreement-ratings", [n, "csv"]), ("agreement-ratings", [n, "json"]), ("item-adjudicate", [n, 1]),
    ]  # fmt: skip
    return [url(cast, name, *args) for name, args in pages] + [reverse("home"), f"/projects/{cast.project.slug}/"]


def test_rounds_of_others_are_not_found(cast: Cast) -> None:
    round = open_round_with(cast, annotators=[cast.ben, cast.cleo])
    eve = as_(cast.eve)
    for name in ("work-round", "work-done"):
        assert eve.get(url(cast, name, round.number)).status_code == 404
    for name in ("next-claim", "guideline-acknowledge"):
        assert eve.post(url(cast, name, round.number)).status_code == 404


def test_a_closed_round_hands_out_nothing(cast: Cast) -> None:
    round = open_round_with(cast)
    ben = as_(cast.ben)
    address = ben.post(url(cast, "next-claim", round.number)).headers["Location"]
    close_round(round, by=cast.lea)

    assert ben.post(f"{address}submit/", SICK, headers=HTMX).status_code == 409
    assert ben.post(url(cast, "next-claim", round.number)).headers["Location"] == url(cast, "work-round", round.number)
    assert "The round is closed" in ben.get(url(cast, "work-round", round.number)).content.decode()


def test_pace_and_share_are_ones_own(cast: Cast) -> None:
    round = open_round_with(cast, notes=6, overlap=1)
    ben = as_(cast.ben)
    address = ben.post(url(cast, "next-claim", round.number)).headers["Location"]
    page = ben.post(f"{address}submit/", {**SICK, "seconds": 90}, headers=HTMX)
    annotate_all(round, {cast.eve: label("well")})

    progress = page.context["progress"]
    assert (progress.n_done, progress.n_share, progress.n_left, progress.minutes_left) == (1, 2, 1, 2)
    assert "1 of about 2 done, 2 min left at your pace" in page.content.decode()


def test_note_text_never_runs_as_html(cast: Cast) -> None:
    round = open_round_with(cast, notes=["<b>BP</b> <90/60 & HR>120 \u2028 👩🏽‍⚕️\n\nضيق <script>x</script>"])
    ben = as_(cast.ben)
    page = ben.get(ben.post(url(cast, "next-claim", round.number)).headers["Location"]).content.decode()

    assert "&lt;b&gt;BP&lt;/b&gt; &lt;90/60 &amp; HR&gt;120" in page
    assert "<script>x" not in page


def test_codes_are_found_by_beginning_words_and_other_names(cast: Cast) -> None:
    make_codes()
    Code.objects.create(
        code_set=CODE_SET, code="J44", description="Other COPD", is_billable=False, terms="smoker's lung"
    )
    ben = as_(cast.ben)

    def found(words: str) -> list[str]:
        answer = ben.get(url(cast, "code-search"), {"code_set": CODE_SET, "q": words})
        return [result["value"] for result in answer.json()["results"]]

    assert found("j44") == ["J44", "J44.1"]
    assert found("j441") == ["J44.1"]
    assert found("chron exac") == ["J44.1"]
    assert found("smoker") == ["J44"]
    assert found("hypertension") == ["I10"]
    assert found("' & | ! (:*") == found("x") == found("") == []
    answer = ben.get(url(cast, "code-search"), {"code_set": CODE_SET, "q": "J44"}).json()
    assert [bool(result["warning"]) for result in answer["results"]] == [True, False]
    assert ben.get(url(cast, "code-search"), {"code_set": "another", "q": "J44"}).json() == {"results": []}


def test_a_heartbeat_of_whoever_holds_the_item_is_answered_without_words(cast: Cast) -> None:
    round = open_round_with(cast)
    ben = as_(cast.ben)
    address = ben.post(url(cast, "next-claim", round.number)).headers["Location"]
    assert ben.post(f"{address}lease/").status_code == 204
    assert as_(cast.eve).post(f"{address}lease/").status_code == 409
