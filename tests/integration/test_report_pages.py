"""A report on the screen: gates first, every number with its rows, two signatures, and the way back to the notes."""

import csv
import io
import json
import re
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from clinicalft.lib.hashing import canonical_json, sha256_json
from clinicalft.models import User, WorkStatus
from evaluation import tasks
from evaluation.actions.inference import start_inference
from evaluation.actions.ratings import close_rating_round, open_rating_round, review_harm
from evaluation.actions.reports import approve_deployment
from evaluation.models import Deployment, Report
from evaluation.report_content import report_content
from tests.factories.evaluation import (
    answered,
    clinicians,
    lenient,
    make_adapter,
    n_queries,
    opened_round,
    published,
    rate_all,
    rated_round,
    with_password,
)
from tests.integration.test_rating_agreement_pages import links_with_counts
from tests.integration.test_rating_round_pages import flagged
from tests.pages import as_
from tests.personas import PASSWORD, Cast, make_cast
from training.models import Adapter, Run

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    cast = make_cast()
    for person in (cast.ada, cast.lea, cast.rob):
        with_password(person)
    return cast


def url(cast: Cast, name: str, *args: Any) -> str:
    return reverse(f"evaluation:{name}", args=[cast.project.slug, *args])


def page_of(cast: Cast, report: Report, who: User | None = None) -> str:
    return as_(who or cast.lea).get(url(cast, "report-detail", report.number)).content.decode()


def passed(cast: Cast) -> Report:
    lenient(cast, 2)
    return published(rated_round(cast, 4), cast.lea)


def test_a_lead_publishes_and_sees_progress_until_it_is_there(cast: Cast) -> None:
    rating_round = rated_round(cast, 3)
    client = as_(cast.lea)

    client.post(url(cast, "report-publish", rating_round.number))

    report = Report.objects.get()
    waiting = client.get(url(cast, "report-detail", report.number)).content.decode()
    assert "every 1s" in waiting
    assert "kappa" not in waiting
    assert client.get(url(cast, "report-rows", report.number)).status_code == 404
    assert client.get(url(cast, "report-lineage", report.number)).status_code == 404
    tasks.publish_report(report.pk)
    done = client.get(url(cast, "report-progress", report.number))
    assert done.headers["HX-Refresh"] == "true"
    assert "every 1s" not in done.content.decode()
    assert client.post(url(cast, "report-retry", report.number)).status_code == 409


def test_of_several_rated_adapters_the_lead_chooses_the_one_that_the_report_is_about(cast: Cast) -> None:
    first = make_adapter(cast, 2)
    run = Run.objects.create(
        project=cast.project, number=2, dataset=first.dataset, base_model=first.base_model, config={},
        created_by=cast.ada, status=WorkStatus.DONE,
    )  # fmt: skip
    second = Adapter.objects.create(project=cast.project, number=2, run=run, sha256="f" * 64, manifest={}, card={})
    arms = [answered(arm, ["sick", "well"]) for arm in start_inference(first, second, by=cast.ada)]
    rating_round = open_rating_round(
        project=cast.project, title="Two", inferences=arms, raters=clinicians(cast), by=cast.lea
    )
    rate_all(rating_round)
    close_rating_round(rating_round, by=cast.lea)
    client = as_(cast.lea)

    page = client.get(url(cast, "rating-round-detail", rating_round.number)).content.decode()
    refused = client.post(url(cast, "report-publish", rating_round.number))
    client.post(url(cast, "report-publish", rating_round.number), {"adapter": "2"})

    assert re.findall(r"<option value=.(\d).>About Adapter (\d)</option>", page) == [("1", "1"), ("2", "2")]
    assert refused.status_code == 409
    assert "Several adapters were rated" in refused.content.decode()
    assert Report.objects.get().adapter == second


def test_publishing_an_open_round_is_refused_and_the_button_says_why(cast: Cast) -> None:
    rating_round = opened_round(cast, 2)

    answer = as_(cast.lea).post(url(cast, "report-publish", rating_round.number))

    assert answer.status_code == 409
    assert "Close the round first" in answer.content.decode()


def test_gates_come_first_then_harm_then_numbers_then_signatures(cast: Cast) -> None:
    page = page_of(cast, published(rated_round(cast, 3, flagged), cast.lea))

    order = [
        page.index(f'id="{name}"') for name in ("gates", "harm", "q-accuracy", "flags", "matches", "release", "proof")
    ]
    assert order == sorted(order)


def test_a_gate_shows_value_limit_n_rule_and_what_is_missing(cast: Cast) -> None:
    page = page_of(cast, published(rated_round(cast, 4), cast.lea))

    gates = page[page.index('id="gates"') : page.index('id="harm"')]
    assert "At least 500 outputs reviewed, and the upper 95 % limit under 2 %." in gates
    assert "None seen in 4 reviewed; compatible with up to 52.72 %." in gates
    assert "needs 496 more" in gates
    assert gates.count("Not enough data") == 2 + 3
    assert gates.count("It does not block this release; judge it by other means.") == 3
    assert "Strictly above 0.85 on the held-out split." in gates
    assert "By the bare rate alone it would say: pass." in gates


def test_settings_that_differ_from_the_usual_are_said_above_the_gates(cast: Cast) -> None:
    page = page_of(cast, passed(cast))

    assert "This project asks for 2 reviewed outputs; usual are 500." in page


def test_every_count_of_a_report_opens_as_many_rows_as_it_says(cast: Cast) -> None:
    report = published(rated_round(cast, 3, flagged), cast.lea)
    client = as_(cast.lea)

    links = links_with_counts(page_of(cast, report))

    assert len(links) >= 10
    for address, count in links:
        assert f"<h1>{count} row" in client.get(address).content.decode(), address


def test_the_gate_leads_to_the_outputs_that_it_counts(cast: Cast) -> None:
    report = published(rated_round(cast, 4), cast.lea)
    addresses = re.findall(r'<th scope="row"><a href="([^"]*pick=counted[^"]*)">', page_of(cast, report))

    assert len(addresses) == 2
    for address in addresses:
        assert "<h1>0 rows</h1>" in as_(cast.lea).get(address.replace("&amp;", "&")).content.decode()


def test_harm_is_listed_output_by_output_whichever_system_wrote_it(cast: Cast) -> None:
    page = page_of(cast, published(rated_round(cast, 3, flagged), cast.lea))

    harm = page[page.index('id="harm"') : page.index('id="q-accuracy"')]
    assert "Unmistakable-Base" in harm
    assert "counts as harm" in harm


def test_the_exports_hold_exactly_the_ratings_that_the_digest_stands_for(cast: Cast) -> None:
    report = published(rated_round(cast, 3, flagged), cast.lea)
    client = as_(cast.lea)

    as_json = client.get(url(cast, "report-export", report.number, "json"))
    as_csv = client.get(url(cast, "report-export", report.number, "csv"))

    body = json.loads(as_json.content)
    rows = list(csv.DictReader(io.StringIO(as_csv.content.decode())))
    assert sha256_json(body["ratings"]) == report.ratings_sha256 == body["ratings_sha256"]
    assert len(rows) == len(body["ratings"]) == report.content["n_ratings"] == 18
    assert sum(int(row["harm"]) for row in rows) == 1
    assert "attachment" in as_csv.headers["Content-Disposition"]
    for content in (as_json.content.decode(), as_csv.content.decode()):
        assert "dyspnoea" not in content
        assert "Ben" not in content
    assert client.get(url(cast, "report-export", report.number, "xlsx")).status_code == 404


# ---------- signing


def test_two_leads_sign_with_their_passwords_and_the_page_shows_name_time_and_meaning(cast: Cast) -> None:
    report = passed(cast)
    for person in (cast.lea, cast.rob):
        answer = as_(person).post(
            url(cast, "deployment-approve", report.number), {"password": PASSWORD, "reason": "Good enough."}
        )
        assert answer.status_code == 302

    page = page_of(cast, report, cast.otto)
    assert Deployment.objects.get().status == "APPROVED"
    for person in ("Lea", "Rob"):
        assert re.search(rf"{person}</th><td>Approved for release</td><td>\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC", page)
    assert page.count(report.sha256[:16]) >= 3
    assert "Your password" not in page


def test_a_wrong_password_is_said_at_the_field_and_nothing_is_signed(cast: Cast) -> None:
    report = passed(cast)

    answer = as_(cast.lea).post(url(cast, "deployment-approve", report.number), {"password": "guess", "reason": "x"})

    assert answer.status_code == 422
    assert "That is not your password. Nothing was signed." in answer.content.decode()
    assert not Deployment.objects.exists()


def test_a_session_alone_cannot_sign(cast: Cast) -> None:
    report = passed(cast)

    assert as_(cast.lea).post(url(cast, "deployment-approve", report.number), {}).status_code == 422
    assert not Deployment.objects.exists()


def test_rejecting_wants_a_reason(cast: Cast) -> None:
    report = passed(cast)
    client = as_(cast.lea)

    without = client.post(url(cast, "deployment-reject", report.number), {"password": PASSWORD, "reason": ""})
    client.post(url(cast, "deployment-reject", report.number), {"password": PASSWORD, "reason": "Base does as well."})

    assert without.status_code == 422
    assert "Say in a few words why you reject it." in without.content.decode()
    assert Deployment.objects.get().status == "REJECTED"
    assert "Base does as well." in page_of(cast, report)


def test_the_greyed_button_says_why_one_may_not_sign(cast: Cast) -> None:
    open_gates = published(rated_round(cast, 4), cast.lea)
    assert "Not every release gate has passed." in page_of(cast, open_gates)

    report = passed(cast)
    assert "You started the run of this adapter" in page_of(cast, report, cast.ada)
    approve_deployment(report, by=cast.lea, password=PASSWORD)
    assert "You have signed this; now somebody else has to." in page_of(cast, report)
    assert "Your password" in page_of(cast, report, cast.rob)
    assert "Your password" not in page_of(cast, report, cast.otto)


def test_an_unpassed_report_cannot_be_approved_by_a_crafted_request(cast: Cast) -> None:
    report = published(rated_round(cast, 4), cast.lea)

    answer = as_(cast.lea).post(url(cast, "deployment-approve", report.number), {"password": PASSWORD})

    assert answer.status_code == 409
    assert not Deployment.objects.exists()


# ---------- lineage


def test_the_lineage_leads_from_the_release_back_to_the_notes(cast: Cast) -> None:
    report = passed(cast)
    approve_deployment(report, by=cast.lea, password=PASSWORD)
    page = as_(cast.lea).get(url(cast, "report-lineage", report.number)).content.decode()

    steps = ["Deployment", "Report", "Ratings", "Outputs", "Adapter", "Run", "Base model", "Dataset", "Round", "Notes"]
    places = [page.index(f'<span class="quiet">{step}</span>') for step in steps]
    assert places == sorted(places)
    run = report.adapter.run  # type: ignore[union-attr]
    for name, number in (("training:run-detail", run.number), ("training:dataset-detail", run.dataset.number)):
        assert reverse(name, args=[cast.project.slug, number]) in page
    assert report.sha256 in page
    assert report.ratings_sha256 in page


def test_the_lineage_says_which_step_was_altered(cast: Cast) -> None:
    report = passed(cast)
    before = as_(cast.lea).get(url(cast, "report-lineage", report.number)).content.decode().count(">altered<")
    with connection.cursor() as cursor:
        # As the owner of the database can: past the trigger.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE evaluation_output SET text = 'well' WHERE number = 1")
        cursor.execute("UPDATE evaluation_rating SET answers = '{\"accuracy\": 1}' WHERE position = 1")
        cursor.execute("SET LOCAL session_replication_role = origin")

    page = as_(cast.lea).get(url(cast, "report-lineage", report.number)).content.decode()

    # The ratings and the outputs of both systems.
    assert page.count(">altered<") == before + 3
    assert "Tell an auditor" in page


def test_an_auditor_follows_only_links_that_they_may_open(cast: Cast) -> None:
    report = passed(cast)
    client = as_(cast.otto)
    page = client.get(url(cast, "report-lineage", report.number)).content.decode()

    lineage = page[page.index('class="stack lineage"') :]
    links = re.findall(r'<a href="([^"]+)"', lineage)
    assert len(links) >= 6
    assert [link for link in links if client.get(link).status_code != 200] == []


def test_an_adapter_has_a_lineage_before_it_is_evaluated(cast: Cast) -> None:
    report = passed(cast)
    page = as_(cast.lea).get(url(cast, "adapter-lineage", report.adapter.number))  # type: ignore[union-attr]

    assert page.status_code == 200
    assert "De-identified notes" in page.content.decode()


def test_the_list_asks_the_database_as_much_for_many_reports_as_for_one(cast: Cast) -> None:
    report = passed(cast)
    approve_deployment(report, by=cast.lea, password=PASSWORD)
    client, page = as_(cast.lea), url(cast, "report-list")
    before = n_queries(client, page)
    for _ in range(3):
        published(report.rating_round, cast.lea)

    assert n_queries(client, page) == before


@pytest.mark.parametrize("kind", ["classification", "coding", "summary"])
def test_a_report_is_computed_again_from_its_export_to_the_same_bytes(cast: Cast, kind: str) -> None:
    rating_round = rated_round(cast, 6, flagged, kind=kind, n_patients=4)
    output = rating_round.ratings.get(rater=cast.ben, output__number=1, output__inference__arm="BASE").output
    review_harm(rating_round, output, flag="harm", outcome="DISMISSED", reason="The dose is right.", by=cast.cleo)
    report = published(rating_round, cast.lea)

    export = json.loads(as_(cast.lea).get(url(cast, "report-export", report.number, "json")).content)
    again = report_content(export["frame"], export["ratings"])

    assert canonical_json(again["content"]) == canonical_json(report.content)
    assert canonical_json(again["gates"]) == canonical_json(report.gates)
    verdict = {"pass": "PASSED", "fail": "FAILED"}.get(again["verdict"], "NOT_ENOUGH_DATA")
    said = [report.number, again["content"], again["gates"], verdict, sha256_json(export["ratings"])]
    assert sha256_json(said) == report.sha256 == export["report_sha256"]
