"""How values look on a page: the filters for numbers and times, and the tags of the components that need a computation.

Components that only arrange what they are given are plain includes in `templates/components/`.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.core.paginator import Page
from django.forms import BaseForm, BoundField
from django.forms.widgets import CheckboxInput, CheckboxSelectMultiple, FileInput, RadioSelect, Select
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString

from clinicalft.access import has_permission
from clinicalft.models import GpuWork, Priority, WorkStatus
from clinicalft.roles import Permission
from clinicalft.stats.definitions import sentence_of
from clinicalft.stats.intervals import wilson_rate
from clinicalft.waiting import why_waiting

register = template.Library()

UNDEFINED = "undefined"
# Lower bounds of the agreement bands of Landis and Koch (1977), as shades of the heat map.
HEAT_BANDS = (0.2, 0.4, 0.6, 0.8)
STATUS_TONES = {"RUNNING": "brand", "FAILED": "harm", "ERROR": "harm", "QUARANTINED": "harm"}
VERDICTS = {"pass": ("pass", "Pass"), "fail": ("fail", "Fail")}


def is_undefined(value: Any) -> bool:
    """True for None and NaN: a number that does not exist, which a page says in words."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def part(thing: Any, name: str) -> Any:
    """Field `name` of a mapping or an object; None when it has none."""
    return thing.get(name) if isinstance(thing, dict) else getattr(thing, name, None)


def limits_of(estimate: Any) -> tuple[float, float] | None:
    """The interval of an `Estimate` (low, high) or of its JSON form (ci95); None when there is none."""
    low, high = part(estimate, "ci95") or (part(estimate, "low"), part(estimate, "high"))
    return None if is_undefined(low) or is_undefined(high) else (low, high)


# ---------- filters


@register.filter
def decimal(value: Any, places: int = 2) -> str:
    """0.8137 -> "0.81"; a true minus sign; "undefined" for None and NaN."""
    if is_undefined(value):
        return UNDEFINED
    text = f"{float(value):.{int(places)}f}"
    return "0" + text[2:] if text.startswith("-0") and float(text) == 0 else text.replace("-", "\u2212")


@register.filter
def percent(value: Any, places: int = 0) -> str:
    """A share between 0 and 1 as "81 %"; "undefined" for None and NaN."""
    return UNDEFINED if is_undefined(value) else f"{decimal(float(value) * 100, places)}\u00a0%"


@register.filter
def count(value: Any) -> str:
    """12345 -> "12,345"; "undefined" for None."""
    return UNDEFINED if is_undefined(value) else f"{int(value):,}"


@register.filter
def figure(value: Any, kind: str = "decimal") -> str:
    """`value` typeset by kind: "decimal", "decimal3", "percent", "percent1", "count", or "text" as it is."""
    if kind == "text":
        return str(value)
    if kind == "count":
        return count(value)
    name, places = kind.rstrip("0123456789"), kind[len(kind.rstrip("0123456789")) :]
    if name == "percent":
        return percent(value, int(places or 0))
    return decimal(value, int(places or 2))


@register.filter
def interval(limits: Any, kind: str = "decimal") -> str:
    """(0.76, 0.86) -> "0.76 to 0.86"; empty when there is no interval."""
    if not limits:
        return ""
    low, high = limits
    return f"{figure(low, kind)} to {figure(high, kind)}".replace("\u00a0% to", " to")


@register.filter
def duration(value: Any) -> str:
    """Seconds or a timedelta in words: "40 s", "12 min", "2 h 10 min", "3 d 4 h"; empty for None."""
    if value is None:
        return ""
    seconds = round(value.total_seconds() if isinstance(value, timedelta) else float(value))
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours and days < 10 else f"{days} d"


@register.filter
def relative(moment: datetime | None) -> str:
    """A past or coming moment in words: "just now", "3 min ago", "in 2 d"; empty for None."""
    if moment is None:
        return ""
    seconds = (timezone.now() - moment).total_seconds()
    if abs(seconds) < 5:
        return "just now"
    return f"{duration(seconds)} ago" if seconds > 0 else f"in {duration(-seconds)}"


@register.filter
def letter(index: int) -> str:
    """The badge letter of label number `index`: 0 -> "A", 25 -> "Z", 26 -> "AA"."""
    return (letter(index // 26 - 1) if index >= 26 else "") + chr(ord("A") + index % 26)


@register.simple_tag
def ago(moment: datetime | None) -> SafeString:
    """A moment as a `<time>` that says how long ago it was, keeps itself right, and holds the exact time."""
    if moment is None:
        return SafeString("")
    exact = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}" data-module="elapsed" data-format="ago">{}</time>',
        exact.isoformat(), exact.strftime("%Y-%m-%d %H:%M"), relative(moment),
    )  # fmt: skip


@register.simple_tag
def note_text(text: str) -> SafeString:
    """A note as one paragraph per line, each with its own direction: the text under the span editor."""
    paragraphs = escape(text).replace("\n", '</p><p dir="auto">')
    return SafeString(f'<p dir="auto">{paragraphs}</p>')


# ---------- acts


@register.inclusion_tag("components/button.html")
def button(label: str, **options: Any) -> dict[str, Any]:
    """A button, or with `href` a link that looks like one; `components/button.html` lists the options.

    A tag and not an include, so that a `form` or `name` in the context of a page never leaks into it.
    """
    return {"label": label, **options}


# ---------- forms


@register.inclusion_tag("components/field.html")
def field(bound: BoundField, help: str = "") -> dict[str, Any]:
    """A form field with its label, help and errors, which its control names as its description."""
    widget = bound.field.widget
    help_text = help or bound.help_text
    ids = [
        f"{bound.id_for_label or bound.auto_id}-{what}"
        for what, shown in (("help", help_text), ("error", bound.errors))
        if shown
    ]
    attrs: dict[str, str | bool] = {"aria-describedby": " ".join(ids)} if ids else {}
    if bound.errors:
        attrs["aria-invalid"] = "true"
    is_choices = isinstance(widget, RadioSelect | CheckboxSelectMultiple)
    is_check = isinstance(widget, CheckboxInput)
    base = "form-check-input" if is_check else "form-select" if isinstance(widget, Select) else "form-control"
    attrs["class"] = " ".join(filter(None, [base, "is-invalid" if bound.errors else "", widget.attrs.get("class", "")]))
    return {
        "field": bound,
        "help": help_text,
        "prefix": bound.id_for_label or bound.auto_id,
        "described_by": " ".join(ids),
        "is_choices": is_choices,
        "is_radio": isinstance(widget, RadioSelect) and not isinstance(widget, CheckboxSelectMultiple),
        "is_check": is_check,
        "is_file": isinstance(widget, FileInput),
        "is_optional": not bound.field.required and not is_check,
        "control": "" if is_choices else bound.as_widget(attrs=attrs),
    }


@register.inclusion_tag("components/form_errors.html")
def form_errors(form: BaseForm) -> dict[str, Any]:
    """What is wrong with a form, in one box that links to each field; nothing when all is well."""
    return {"form": form, "faulty": [bound for bound in form if bound.errors] if form.is_bound else []}


# ---------- states


@register.inclusion_tag("components/badge.html")
def status(of: Any, tone: str = "") -> dict[str, Any]:
    """The badge of an enum member with `label` and `meaning`, or of a row with `status` and `TRANSITIONS`."""
    member = of
    if hasattr(of, "TRANSITIONS"):
        member = next((known for known in of.TRANSITIONS if known == of.status), of.status)
    name = getattr(member, "name", str(member))
    return {
        "label": getattr(member, "label", str(member)),
        "meaning": getattr(member, "meaning", ""),
        "tone": tone or STATUS_TONES.get(name, ""),
    }


@register.inclusion_tag("components/progress.html")
def progress(work: Any, url: str = "", label: str = "") -> dict[str, Any]:
    """How far a background job is, with the time left; polls `url` every 2 s until the job is finished. Of work that
    waits for a GPU host it says why."""
    waits = isinstance(work, GpuWork) and work.status == WorkStatus.QUEUED
    return {
        "work": work,
        "why_waiting": why_waiting(work) if waits else "",
        "url": "" if part(work, "is_finished") else url,
        "label": label,
        "share": part(work, "share_done"),
    }


@register.inclusion_tag("components/priority.html", takes_context=True)
def priority(context: dict[str, Any], work: Any) -> dict[str, Any]:
    """The priority of work that waits for a GPU host, which an admin of the site can change; nothing for others."""
    request = context["request"]
    waits = isinstance(work, GpuWork) and work.status == WorkStatus.QUEUED
    if not waits or not has_permission(request.user, Permission.WORKER_MANAGE):
        return {}
    return {
        "work": work, "kind": work._meta.label_lower, "priorities": Priority.choices, "back": request.get_full_path(),
        "csrf_token": context.get("csrf_token"),
    }  # fmt: skip


@register.inclusion_tag("components/pagination.html", takes_context=True)
def pagination(context: dict[str, Any], page: Page[Any], noun: str = "rows", name: str = "page") -> dict[str, Any]:
    """The pages of a Django `Page`, keeping the rest of the query string; `name` is the parameter."""
    query = context["request"].GET.copy()
    query.pop(name, None)
    rest = query.urlencode()
    pages = page.paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1)
    return {"page": page, "pages": pages, "stem": f"?{rest}&{name}=" if rest else f"?{name}=", "noun": noun}


@register.inclusion_tag("components/table.html")
def data_table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str = "Nothing yet."
) -> dict[str, Any]:
    """A table: "#label" is a numeric column, a cell is a value or {text, href, sub}, the first one heads its row."""
    numeric = [label.startswith("#") for label in columns]

    def cell(index: int, entry: Any) -> dict[str, Any]:
        content = entry if isinstance(entry, dict) else {"text": entry}
        return {"tag": "td" if index else "th", "numeric": numeric[index], **content}

    return {
        "caption": caption,
        "columns": [{"label": label.lstrip("#"), "numeric": label.startswith("#")} for label in columns],
        "rows": [[cell(index, entry) for index, entry in enumerate(row)] for row in rows],
        "empty": empty,
    }


# ---------- numbers


@register.inclusion_tag("components/number.html")
def number(
    estimate: Any, label: str = "", kind: str = "decimal", href: str = "", word: str = "", noun: str = "items"
) -> dict[str, Any]:
    """An estimate (value, ci95, n_items, method, status, reason) with its value large and the rest small beneath."""
    value = part(estimate, "value")
    n = part(estimate, "n_items")
    under = [
        interval(limits_of(estimate), kind),
        part(estimate, "method") or "",
        f"{count(n)} {noun}" if n is not None else "",
    ]
    return {
        **_evidence(estimate, label, kind),
        "label": label,
        "href": href,
        "word": word,
        "is_undefined": is_undefined(value),
        "value": figure(value, kind),
        "reason": part(estimate, "reason") or "There is nothing to compute it from.",
        "under": under[1:] if is_undefined(value) else under,
        "note": "" if is_undefined(value) else part(estimate, "reason") or "",
    }


@register.inclusion_tag("components/estimate.html")
def estimate(of: Any, kind: str = "decimal", name: str = "", href: str = "", n: bool = False) -> dict[str, Any]:
    """An estimate inside a table or a sentence: value, and beneath it the interval, or why there is none; with `n`
    its items, too. What is undefined is said in words."""
    value, limits = part(of, "value"), limits_of(of)
    return {
        **_evidence(of, name or part(of, "title") or "", kind),
        "is_undefined": is_undefined(value),
        "value": figure(value, kind),
        "under": interval(limits, kind) if limits else "no interval",
        "reason": part(of, "reason") or "There is nothing to compute it from.",
        "href": href,
        "n": part(of, "n_items") if n else None,
    }


@register.simple_tag
def evidence(of: Any, name: str, kind: str = "decimal") -> SafeString:
    """The attributes that say a number's name, n and interval, for an element that a page writes by hand."""
    found = _evidence(of, name, kind)
    return format_html(
        'data-statistic="{}" data-n="{}" data-interval="{}" data-definition="{}"',
        found["statistic"], "" if found["evidence_n"] is None else found["evidence_n"], found["evidence_interval"],
        found["definition"],
    )  # fmt: skip


@register.inclusion_tag("components/estimate.html")
def share(value: float | None, n: int, name: str, kind: str = "percent1") -> dict[str, Any]:
    """A share of `n` as an estimate, with the Wilson interval that belongs to it; undefined without n."""
    found = wilson_rate(0 if value is None else round(value * n), n)
    return estimate({**found.as_dict(), "statistic": name}, kind)


def _evidence(of: Any, name: str, kind: str) -> dict[str, Any]:
    """What a number says of itself in its element: its name, n and interval (tests/test_evidence.py reads them)."""
    limits, statistic = limits_of(of), part(of, "statistic") or part(of, "name") or name
    why = "a count" if kind == "count" else part(of, "reason") or part(of, "method") or ""
    return {
        "statistic": statistic,
        "evidence_n": part(of, "n_items"),
        "evidence_interval": interval(limits, kind) if limits else f"none: {why}",
        "definition": part(of, "definition") or sentence_of(statistic),
    }


@register.inclusion_tag("components/gate_row.html")
def gate_row(gate: Any, kind: str = "") -> dict[str, Any]:
    """One row of a gate table: name, value, ci95 or low and high, limit, n_items, rule, verdict [kind, href, need]."""
    shown_as = kind or part(gate, "kind") or "decimal"
    verdict, word = VERDICTS.get(str(part(gate, "verdict")).lower(), ("wait", "Not enough data"))
    value = part(gate, "value")
    return {
        "gate": gate,
        "value": figure(value, shown_as),
        "interval": "" if is_undefined(value) else interval(limits_of(gate), shown_as),
        "limit": figure(part(gate, "limit"), shown_as) if part(gate, "limit") is not None else "",
        "verdict": verdict,
        "word": word,
        **_evidence(gate, part(gate, "name") or "", shown_as),
    }


@register.inclusion_tag("components/sparkline.html")
def sparkline(values: Iterable[float | None], label: str, kind: str = "decimal") -> dict[str, Any]:
    """A line of 96 by 24 pixels through `values` in order (None leaves a gap), and the same in words for a reader."""
    points = [(index, float(v)) for index, v in enumerate(values) if v is not None and not is_undefined(v)]
    if not points:
        return {"words": f"{label}: no values yet", "points": ""}
    lowest, highest = min(v for _, v in points), max(v for _, v in points)
    step = 92 / max(1, points[-1][0] - points[0][0])
    scale = 18 / (highest - lowest) if highest > lowest else 0
    placed = [(2 + (index - points[0][0]) * step, 21 - (v - lowest) * scale if scale else 12.0) for index, v in points]
    return {
        "points": " ".join(f"{x:.1f},{y:.1f}" for x, y in placed),
        "last_x": f"{placed[-1][0]:.1f}",
        "last_y": f"{placed[-1][1]:.1f}",
        "words": f"{label}: from {figure(points[0][1], kind)} to {figure(points[-1][1], kind)}, {len(points)} values",
    }


@register.inclusion_tag("components/dot_interval.html")
def dot_interval(
    estimate: Any, low: float = 0, high: float = 1, limit: float | None = None, kind: str = "decimal"
) -> dict[str, Any]:
    """An estimate as a dot on its interval over an axis from `low` to `high`, with `limit` as a dashed line."""

    def x(value: float) -> str:
        return f"{4 + 192 * (min(max(value, low), high) - low) / (high - low):.1f}"

    value, limits = part(estimate, "value"), limits_of(estimate)
    if is_undefined(value):
        return {"words": part(estimate, "reason") or UNDEFINED}
    words = f"{figure(value, kind)} ({interval(limits, kind)})" if limits else figure(value, kind)
    return {
        "words": words + (f", limit {figure(limit, kind)}" if limit is not None else ""),
        "x": x(value),
        "from": x(limits[0]) if limits else "",
        "to": x(limits[1]) if limits else "",
        "limit": x(limit) if limit is not None else "",
    }


@register.inclusion_tag("components/heat_map.html")
def heat_map(
    names: Sequence[str], rows: Sequence[Sequence[Any]], caption: str, kind: str = "decimal"
) -> dict[str, Any]:
    """A square table of coefficients: `rows[i][j]` is None or has value, n_items and perhaps href, for names i, j."""

    def cell(entry: Any) -> dict[str, Any]:
        value = part(entry, "value")
        if entry is None or is_undefined(value):
            return {"shade": "none", "value": "" if entry is None else UNDEFINED, "href": part(entry, "href")}
        shade = sum(value >= bound for bound in HEAT_BANDS)
        return {
            "shade": shade, "value": figure(value, kind), "n": part(entry, "n_items"), "href": part(entry, "href"),
            "evidence": evidence(entry, "cohen_kappa", kind),
        }  # fmt: skip

    table = [(name, [cell(entry) for entry in row]) for name, row in zip(names, rows, strict=True)]
    return {"names": names, "table": table, "caption": caption}
