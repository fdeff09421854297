"""Invented values for the component gallery, the page on which the look of every part is judged."""

from collections.abc import Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.utils import timezone

from clinicalft.models import WorkStatus

NOTE = """HISTORY OF PRESENT ILLNESS
67-year-old man with worsening dyspnoea and productive cough for three days, no fever. Two pillows at night.
Temp 38.4, BP <90/60 & HR>120 on arrival, SpO2 84 % on air.

ASSESSMENT AND PLAN
1. COPD with acute exacerbation. Prednisolone 40 mg for five days, salbutamol as needed.
2. Acute respiratory failure with hypercapnia, non-invasive ventilation started at 22:10.
3. No sign of pulmonary embolism; mother had a stroke at 60.

ملاحظة الطبيب
المريض يعاني من ضيق التنفس منذ 3 أيام، لا يوجد ألم في الصدر."""


class SampleForm(forms.Form):
    name = forms.CharField(max_length=40, help_text="Shown to every reader of the round.")
    overlap = forms.IntegerField(min_value=1, max_value=5, label="Readers per item")
    kind = forms.ChoiceField(choices=[("summary", "Summary"), ("coding", "ICD-10 coding with evidence")])
    blind = forms.BooleanField(label="Readers do not see each other's work", required=False, help_text="On by default.")
    order = forms.ChoiceField(widget=forms.RadioSelect, choices=[("random", "Random"), ("risk", "Highest risk first")])
    remark = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), required=False, label="Note to the readers")


class Work(SimpleNamespace):
    TRANSITIONS = dict.fromkeys(WorkStatus)


def _estimate(value: float | None, low: float, high: float, n: int, method: str, reason: str = "") -> dict[str, Any]:
    limits = None if value is None else [low, high]
    return {"value": value, "ci95": limits, "n_items": n, "method": method, "reason": reason}


def _span_editor() -> dict[str, Any]:
    names = ["Problem", "Treatment", "Test", "Anatomy", "Family history"]
    labels = [{"value": name.lower(), "name": name, "key": name[0].lower(), "color": i} for i, name in enumerate(names)]
    attributes = [
        {"value": "negated", "name": "Negated", "key": "n"},
        {"value": "historical", "name": "Historical", "key": "h"},
    ]
    wanted = [("worsening dyspnoea", "problem"), ("productive cough", "problem"), ("Prednisolone 40 mg", "treatment"),
              ("SpO2 84 %", "test"), ("pulmonary embolism", "problem"), ("ضيق التنفس", "problem")]  # fmt: skip
    spans = [{"start": NOTE.index(q), "end": NOTE.index(q) + len(q), "label": label} for q, label in wanted]
    spans.append({"start": NOTE.index("dyspnoea"), "end": NOTE.index("for three"), "label": "test"})
    return {"text": NOTE, "labels": labels, "attributes": attributes, "spans": spans}


def samples(query: Mapping[str, str]) -> dict[str, Any]:
    """The context of the gallery page; `theme` and `dir` of the query string show it in another dress."""
    kappa = _estimate(0.8137, 0.76, 0.86, 240, "Fleiss kappa, 3 readers")
    undefined = _estimate(
        None, 0, 0, 38, "Cohen kappa", "All 38 items have the same category, so chance agreement is 1."
    )
    now = timezone.now()
    running = Work(status="RUNNING", phase="Reading notes", share_done=0.3, n_done=1200, n_total=4000,
                   eta=timedelta(seconds=130), is_finished=False, error="")  # fmt: skip
    failed = Work(**{**vars(running), "status": "FAILED", "phase": "", "is_finished": True,
                     "error": "The file ends in the middle of line 1,201. Export it again."})  # fmt: skip
    form, faulty = SampleForm(), SampleForm({"name": "", "overlap": "9", "kind": "summary", "order": "random"})
    return {
        "page_theme": query.get("theme") if query.get("theme") in ("light", "dark") else "",
        "page_dir": query.get("dir") if query.get("dir") in ("ltr", "rtl") else "",
        "span_editor": _span_editor(),
        "form": form,
        "faulty": faulty,
        "page": Paginator(range(940), 25).get_page(4),
        "kappa": kappa,
        "undefined": undefined,
        "rate": _estimate(0.0125, 0.004, 0.031, 320, "Clopper-Pearson"),
        "running": running,
        "failed": failed,
        "statuses": list(WorkStatus),
        "past": now - timedelta(minutes=3),
        "started": now - timedelta(seconds=42),
        "columns": ["Round", "Kind", "#Items", "#Kappa", "Due"],
        "rows": [
            [{"text": "Round 3", "href": "#r3"}, "Coding", 240, {"text": "0.81", "sub": "0.76 to 0.86"}, "in 2 d"],
            [{"text": "Round 2", "href": "#r2"}, "Summary", 120, {"text": "0.68", "sub": "0.59 to 0.77"}, "closed"],
        ],
        "gates": [
            {"name": "Severe harm", "value": 0.0, "ci95": [0, 0.0093], "limit": 0.01, "n_items": 320,
             "kind": "percent1", "rule": "The upper 95 % limit is below 1 %", "verdict": "pass"},
            {"name": "Invented findings", "value": 0.0406, "ci95": [0.022, 0.068], "limit": 0.05, "n_items": 320,
             "kind": "percent1", "rule": "The upper 95 % limit is below 5 %", "verdict": "fail", "href": "#gate"},
            {"name": "Harm in under-18s", "value": None, "limit": 0.01, "n_items": 86, "kind": "percent1",
             "rule": "The upper 95 % limit is below 1 %", "verdict": "wait", "need": 214},
        ],
        "trend": [0.61, 0.66, None, 0.72, 0.81],
        "readers": ["Reader 1", "Reader 2", "Reader 3"],
        "pairs": [
            [None, {"value": 0.84, "n_items": 240, "href": "#pair"}, {"value": 0.61, "n_items": 238, "href": "#pair"}],
            [{"value": 0.84, "n_items": 240, "href": "#pair"}, None, {"value": None, "n_items": 3}],
            [{"value": 0.61, "n_items": 238, "href": "#pair"}, {"value": 0.19, "n_items": 30}, None],
        ],
        "steps": [
            {"label": label, "n": n, "url": "#step" if n else "", "is_next": is_next, "note": note}
            for label, n, is_next, note in [
                ("imported", 4210, False, ""), ("released", 3890, False, ""), ("annotated", 1214, False, ""),
                ("agreed", 240, True, "62 to adjudicate"), ("in dataset", 0, False, ""), ("trained", 0, False, ""),
                ("rated", 0, False, ""), ("released", 0, False, ""),
            ]
        ],
        "tabs": [("Progress", "#progress", False), ("Agreement", "#agreement", True), ("Items", "#items", False)],
        "crumbs": [("Rounds", "#rounds"), ("Round 3", "#round"), ("item 12", "")],
        "questions": [
            {"name": "correct", "label": "Is everything in it true of the note?", "value": "yes",
             "choices": [("no", "No"), ("partly", "Partly"), ("yes", "Yes")]},
            {"name": "harm", "label": "Possible harm", "help": "Think of the next clinician.", "is_flag": True,
             "choices": [("no", "No"), ("yes", "Yes")]},
            {"name": "harm-kind", "label": "What is wrong", "parent": "harm",
             "choices": [("dose", "Wrong dose"), ("invented", "Invented finding"), ("missed", "Missed sign")]},
            {"name": "harm-severity", "label": "How bad is it", "parent": "harm",
             "choices": [("low", "Low"), ("high", "High")]},
            {"evidence_of": "harm", "parent": "harm"},
            {"name": "useful", "label": "Would you sign it?", "value": 4, "choices": [(n, n) for n in range(1, 6)]},
        ],
        "curves": {"series": [{"name": "train", "points": [[s, 2.4 * 0.985**s + 0.4] for s in range(0, 200, 4)]},
                              {"name": "held-out", "points": [[s, 2.4 * 0.987**s + 0.52] for s in range(0, 200, 20)]}]},
    }  # fmt: skip
