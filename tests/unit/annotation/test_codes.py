"""The command that loads code sets: ICD-10-CM from its package, others from a file."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotation.codes import code_sets, search_codes
from annotation.models import Code
from clinicalft.management.commands import load_codes
from clinicalft.models import AuditEvent

pytestmark = pytest.mark.django_db


def load(*arguments: Any) -> dict[str, Any]:
    out = StringIO()
    call_command("load_codes", *arguments, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "codes.csv"
    path.write_text("code,description,terms,is_billable\nJ44,COPD,,0\nJ44.1,COPD worse,acute,1\nI10,Blood pressure,,\n")
    return path


def test_a_file_is_loaded_and_renewed(table: Path) -> None:
    assert load(table, "--code-set", "Test 2026") == {"code_set": "Test 2026", "n": 3}
    table.write_text(table.read_text().replace("COPD worse", "COPD getting worse"))
    load(table, "--code-set", "Test 2026")

    assert Code.objects.count() == 3
    assert [code.description for code in search_codes("Test 2026", "getting")] == ["COPD getting worse"]
    assert {code.code: code.is_billable for code in Code.objects.all()} == {"J44": False, "J44.1": True, "I10": True}
    assert code_sets() == ["Test 2026"]
    assert AuditEvent.objects.filter(act="CODES_LOAD").count() == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("code,name\nA,b\n", "no column description"),
        ("code,description\nA00,Cholera\n,Typhoid\n", "line 3"),
        ("code,description\nA00,\n", "line 2"),
        ("code,description\nABCDEFGHIJKLM,Too long\n", "line 2"),
        ("code,description\n", "holds no codes"),
    ],
)
def test_a_faulty_file_is_refused_whole_and_named(table: Path, content: str, words: str) -> None:
    table.write_text(content)
    with pytest.raises(CommandError, match=words):
        load(table, "--code-set", "Test 2026")
    assert not Code.objects.exists()


def test_a_file_needs_a_name_and_has_to_be_there(table: Path) -> None:
    with pytest.raises(CommandError, match="--code-set"):
        load(table)
    with pytest.raises(CommandError, match="40 characters"):
        load(table, "--code-set", "x" * 41)
    with pytest.raises(CommandError, match="cannot be read"):
        load(table.parent / "none.csv", "--code-set", "Test")


def test_icd10cm_comes_with_release_other_names_and_headings() -> None:
    release, rows = load_codes.icd10cm_codes()
    by_code = {row["code"]: row for row in rows}

    assert release.isdigit()
    assert len(by_code) > 90_000
    assert sum(row["is_billable"] for row in by_code.values()) > 70_000
    assert by_code["J44.1"]["description"].startswith("Chronic obstructive pulmonary disease")
    assert "Decompensated COPD" in by_code["J44.1"]["terms"]
    assert (by_code["J44.1"]["parent"], by_code["J44"]["parent"], by_code["J44"]["is_billable"]) == ("J44", "", False)
    assert max(len(code) for code in by_code) <= 12
