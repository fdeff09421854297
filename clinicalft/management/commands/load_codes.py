import csv
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.actions.codes import load_codes
from annotation.models import Code

NEEDED = {"code", "description"}


class Command(BaseCommand):
    """Loads a code set for coding with evidence: the ICD-10-CM of the simple-icd-10-cm package, or a CSV file.

    The CSV has the columns code and description, and optionally terms (other names), is_billable (1 or 0) and parent.
    """

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="CSV file; without it, ICD-10-CM")
        parser.add_argument("--code-set", default="", help="its name and release, such as “ICD-10-GM 2026”")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        file, code_set = options["file"], options["code_set"]
        if file and not code_set:
            raise CommandError("Name the code set and its release: --code-set “ICD-10-GM 2026”.")
        if len(code_set) > Code._meta.get_field("code_set").max_length:  # type: ignore[operator]
            raise CommandError("The name of the code set is longer than 40 characters.")
        if file:
            rows = csv_codes(file)
        else:
            release, rows = icd10cm_codes()
            code_set = code_set or f"ICD-10-CM {release}"
        n = load_codes(code_set, rows)
        if not n:
            raise CommandError(f"{file or 'The package'} holds no codes.")
        found = {"code_set": code_set, "n": n}
        self.stdout.write(json.dumps(found) if options["json"] else f"{n:,} codes of {code_set} can be searched.")


def icd10cm_codes() -> tuple[str, Iterator[dict[str, Any]]]:
    """Release year, and every category, subcategory and code of ICD-10-CM (public domain, CDC) with its other names."""
    with warnings.catch_warnings():
        # The package reads its files by a function that Python will retire.
        warnings.simplefilter("ignore", DeprecationWarning)
        import simple_icd_10_cm as icd
        import simple_icd_10_cm.data as files
    tabular = next(Path(files.__path__[0]).glob("*.xml"))
    with tabular.open(encoding="utf-8") as stream:
        release = stream.read(300).partition("<version>")[2].partition("</version>")[0]
    return release, (
        {
            "code": code, "description": icd.get_description(code)[:300], "is_billable": icd.is_leaf(code),
            "terms": "; ".join(icd.get_inclusion_term(code)),
            "parent": "" if icd.is_chapter_or_block(icd.get_parent(code)) else icd.get_parent(code),
        }
        for code in icd.get_all_codes(True) if not icd.is_chapter_or_block(code)
    )  # fmt: skip


def csv_codes(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of a CSV file. Raises CommandError that names the line."""
    try:
        stream = file.open(encoding="utf-8-sig", newline="")
    except OSError as fault:
        raise CommandError(f"{file} cannot be read: {fault.strerror}.") from fault
    with stream:
        rows = csv.DictReader(stream)
        if missing := NEEDED - set(rows.fieldnames or ()):
            raise CommandError(f"{file} has no column {sorted(missing)[0]}.")
        for row in rows:
            code, description = (row["code"] or "").strip(), (row["description"] or "").strip()
            if not code or len(code) > 12 or not description:
                raise CommandError(
                    f"{file}, line {rows.line_num}: a code (up to 12 characters) and a description are needed."
                )
            yield {
                "code": code, "description": description[:300], "terms": (row.get("terms") or "").strip(),
                "is_billable": (row.get("is_billable") or "1").strip() not in ("0", "false", "no"),
                "parent": (row.get("parent") or "").strip(),
            }  # fmt: skip
