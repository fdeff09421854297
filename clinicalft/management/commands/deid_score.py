import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.deid import METHOD_VERSION
from annotation.deid.batch import NoteLine, find_in_all
from annotation.deid.scoring import Scored, score
from clinicalft.management.commands.deidentify import notes_of
from clinicalft.stats.results import Estimate


class Command(BaseCommand):
    """Measures de-identification against GOLD.jsonl, lines {"id", "text", "spans": [{"start", "end", "label"}]} and
    optionally "known": recall, precision and F1 by label, leaked characters, over-redaction, with exact intervals."""

    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("gold", type=Path, metavar="GOLD.jsonl")
        parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default 1)")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        notes = notes_of(options["gold"], options["workers"], with_gold=True)
        figures = {"method": METHOD_VERSION, **score(scored(notes, options["workers"]))}
        self.stdout.write(json.dumps(plain(figures)) if options["json"] else readable(figures))


def scored(notes: list[NoteLine], workers: int) -> list[Scored]:
    """Each note with what was found in it. Raises CommandError for a refused note."""
    documents = []
    for note, found in zip(notes, find_in_all(notes, workers), strict=True):
        if found.fault:
            raise CommandError(f"Line {note.line}: {found.fault}")
        documents.append(Scored(note.text, note.gold, found.spans))
    return documents


def plain(value: Any) -> Any:
    """The figures as JSON values."""
    if isinstance(value, Estimate):
        return value.as_dict()
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return value


def readable(figures: dict[str, Any]) -> str:
    """The figures as a table for a person."""
    lines = [
        f"{figures['n_texts']} texts, {figures['n_words']} words, {figures['n_gold']} gold spans, "
        f"{figures['n_found']} found ({figures['method']})"
    ]
    lines += [f"{name:22} {said(value)}" for name, value in figures.items() if isinstance(value, Estimate)]
    rate = figures["false_alarms_per_1000_words"]
    lines.append(
        f"{'false alarms':22} {'undefined: there are no words' if rate is None else f'{rate} per 1,000 words'}"
    )
    for label, row in figures["by_label"].items():
        lines.append(label)
        lines += [f"  {name:20} {said(value)}" for name, value in row.items()]
    return "\n".join(lines)


def said(estimate: Estimate) -> str:
    """One estimate in words: value, limits and n, or why there is none."""
    if estimate.value is None:
        return f"undefined: {estimate.reason}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}] n={estimate.n_items}"
