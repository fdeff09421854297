import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.exporters import EXPORTERS, ExportRow, csv_lines, native_lines
from annotation.importers import Record, preview, read
from clinicalft.lib.hashing import sha256_text
from clinicalft.lib.spans import SpanError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "spans.json").read_text(encoding="utf-8"))


def row(text: str, annotation: dict[str, object], **fields: str) -> ExportRow:
    return ExportRow(
        id=fields.get("id", "7"), patient_id="p", text=text, text_sha256=sha256_text(text), round=1, kind="coding",
        schema_version=2, guideline_version=3, source="annotation", annotator="Reader 1", annotation=annotation,
        annotation_sha256="0" * 64, submitted_at="2026-01-02T03:04:05+00:00", comment=fields.get("comment", ""),
    )  # fmt: skip


def evidence(case: dict) -> dict[str, object]:
    return {"codes": [{"evidence": [{key: span[key] for key in ("start", "end", "quote")} for span in case["spans"]]}]}


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_a_native_export_imports_again_with_text_and_spans_unchanged(case):
    exported = "".join(native_lines([row(case["text"], evidence(case))])).encode()

    [record] = read(exported, "export.jsonl", preview(exported, "export.jsonl").mapping)

    assert isinstance(record, Record)
    assert (record.source_id, record.patient_id) == ("7", "p")
    assert record.text == case["text"]
    assert record.annotation == evidence(case)


@pytest.mark.parametrize("exporter", EXPORTERS.values(), ids=EXPORTERS.keys())
def test_a_quote_that_is_not_what_stands_there_is_never_exported(exporter):
    wrong = {"codes": [{"evidence": [{"start": 0, "end": 4, "quote": "Hip "}]}]}

    with pytest.raises(SpanError):
        list(exporter([row("Knee pain", wrong)]))


def test_csv_has_a_row_for_each_annotation_and_no_note_text():
    text = "Knee pain\nsince March"
    lines = list(csv_lines([row(text, {"label": 'a "b", c'}), row(text, {}, id="8")]))

    parsed = list(csv.DictReader(io.StringIO("".join(lines))))

    assert [line["id"] for line in parsed] == ["7", "8"]
    assert json.loads(parsed[0]["annotation"]) == {"label": 'a "b", c'}
    assert "text" not in parsed[0]
    assert "Knee" not in "".join(lines)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_a_csv_is_run_as_a_formula(start):
    [_, line] = csv_lines([row("x", {}, comment=f"{start}1+1")])

    [cells] = csv.reader(io.StringIO(line, newline=""))

    assert cells[-1] == f"'{start}1+1"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.data())
def test_any_span_of_any_text_passes_the_door(text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    annotation = {"spans": [{"start": start, "end": end, "quote": text[start:end]}]}

    [line] = native_lines([row(text, annotation)])

    back = json.loads(line)
    assert back["text"][start:end] == back["annotation"]["spans"][0]["quote"]
