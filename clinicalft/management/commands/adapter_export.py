import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clinicalft.access import Refused
from clinicalft.management.files import new_file
from clinicalft.management.named import numbered, person_who_may, project_named
from clinicalft.management.waiting import wait_for
from clinicalft.models import User
from clinicalft.roles import Permission
from training.actions.adapters import download_export, export_adapter
from training.models import Adapter, AdapterExport, ExportForm


class Command(BaseCommand):
    """Makes the signed archive of an adapter, alone or merged into its base model; --out waits and writes it.

    An existing file is never overwritten, and whoever takes the archive stands in the audit log. A worker makes it.
    """

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="its short name, as in the address of its pages")
        parser.add_argument("adapter", type=int, metavar="NUMBER")
        parser.add_argument("--merged", action="store_true", help="the whole model with the adapter in it")
        parser.add_argument("--out", type=Path, metavar="FILE.zip", help="wait, and write the archive there")
        parser.add_argument("--by", metavar="EMAIL", help="who takes it away; needed when several people could")
        parser.add_argument("--wait", action="store_true", help="wait until it is made")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        project, out = project_named(options["project"]), options["out"]
        adapter = numbered(Adapter, project, options["adapter"])
        by = person_who_may(Permission.ADAPTER_EXPORT, project, options["by"], what="export adapters")
        form = ExportForm.MERGED if options["merged"] else ExportForm.ADAPTER
        try:
            if out:
                with new_file(out) as file:
                    export = self.exported(adapter, form, by, is_waited_for=True)
                    file.writelines(download_export(export, by=by))
            else:
                export = self.exported(adapter, form, by, is_waited_for=options["wait"])
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        if options["json"]:
            said = {
                "project": project.slug, "export": export.number, "adapter": adapter.number, "form": export.form,
                "status": export.status, "sha256": export.archive_sha256, "bytes": export.archive_bytes,
                "file": str(out) if out else None,
            }  # fmt: skip
            self.stdout.write(json.dumps(said))
            return
        made = f" {export.archive_bytes:,} bytes, SHA-256 {export.archive_sha256}" if export.archive_sha256 else ""
        self.stdout.write(f"{export}: {export.get_status_display().lower()}.{made}")
        if out:
            self.stdout.write(f"It is in {out}; adapter_verify checks it anywhere.")

    def exported(self, adapter: Adapter, form: ExportForm, by: User, *, is_waited_for: bool) -> AdapterExport:
        """A new export, queued or followed to its end. Raises CommandError when that was no good one."""
        export = export_adapter(adapter, form=form, by=by)
        if is_waited_for:
            wait_for(export, "export", self.stderr.write)
        return export
