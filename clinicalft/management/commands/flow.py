from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from clinicalft.flow import as_markdown


class Command(BaseCommand):
    """Writes docs/flow.md from `clinicalft.flow`, or with --check fails when the two differ."""

    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(settings.BASE_DIR) / "docs" / "flow.md"
        if not options["check"]:
            path.write_text(as_markdown(), encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != as_markdown():
            raise CommandError("docs/flow.md differs from clinicalft/flow.py. Run: manage.py flow")
