"""Step 8, out and in: adapters leave as signed archives, and come from those of sites that are trusted."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from clinicalft import audit, jobs, signing
from clinicalft.access import Refused
from clinicalft.actions import next_number
from clinicalft.lib.hashing import canonical_json
from clinicalft.models import Project, User
from training.adapter_archive import MANIFEST, PAYLOAD_TYPE, ArchiveRefused, Verified, unpacked, verify
from training.adapter_files import (
    altered_files,
    archive,
    card_facts,
    keep_merged,
    kept,
    made,
    manifest_of,
    trusted_keys,
)
from training.artefacts import adapter_folder, keep_adapter
from training.engine.adapter import check_adapter
from training.engine.files import replace_json, sync_folder
from training.engine.outcome import BadInput
from training.model_card import model_card
from training.models import Adapter, AdapterExport, AdapterImport, ExportForm, TrustedKey
from training.rules.adapters import (
    check_cancel_export,
    check_download_export,
    check_export_adapter,
    check_fits_here,
    check_import_adapter,
    check_retry_export,
    check_trust_key,
    check_withdraw_key,
)

OWN = "this site"


@transaction.atomic
def export_adapter(adapter: Adapter, *, form: str, by: User) -> AdapterExport:
    """Queues an archive of the adapter, alone or merged into its base model."""
    adapter = Adapter.objects.select_for_update(of=("self",), no_key=True).select_related("project").get(pk=adapter.pk)
    check_export_adapter(by, adapter, form)
    export = AdapterExport.objects.create(
        project=adapter.project, number=next_number(AdapterExport, adapter.project), adapter=adapter,
        form=ExportForm(form), created_by=by,
    )  # fmt: skip
    audit.record("ADAPTER_EXPORT", export, by=by, adapter=adapter.pk, form=form, sha256=adapter.sha256)
    jobs.enqueue(export)
    return export


@transaction.atomic
def cancel_export(export: AdapterExport, *, by: User) -> None:
    """Stops a waiting export at once and a running one after the step in hand."""
    check_cancel_export(by, export)
    jobs.request_cancel(export, by=by)


@transaction.atomic
def retry_export(export: AdapterExport, *, by: User) -> None:
    """Queues a failed or cancelled export again."""
    check_retry_export(by, export)
    jobs.retry(export, by=by)


def finish_export(lease: jobs.Lease, *, result: dict[str, Any]) -> None:
    """Writes card and manifest from rows, signs the manifest, and ends the export with the digest of its archive.

    `result` is that of the merge; empty for an adapter alone. Raises LeaseLost.
    """
    export = AdapterExport.objects.select_related("project", "adapter").get(pk=lease.pk)
    export.adapter = Adapter.objects.with_origin().get(pk=export.adapter_id)
    export.card = model_card(card_facts(export, result))
    jobs.heartbeat(lease, phase="hashing and signing")
    with jobs.keeping(lease):
        export.manifest = manifest_of(export, result)
        export.signature = signing.sign(canonical_json(export.manifest).encode(), PAYLOAD_TYPE)
        digest, n_bytes = hashlib.sha256(), 0
        for chunk in archive(export, made(export)):
            digest.update(chunk)
            n_bytes += len(chunk)
        if export.form == ExportForm.MERGED:
            keep_merged(export)
    jobs.finish(
        lease, card=export.card, manifest=export.manifest, signature=export.signature,
        archive_sha256=digest.hexdigest(), archive_bytes=n_bytes,
    )  # fmt: skip


@transaction.atomic
def download_export(export: AdapterExport, *, by: User) -> Iterator[bytes]:
    """The archive, streamed; who took it is in the audit log before the first byte is sent."""
    check_download_export(by, export)
    audit.record("ADAPTER_DOWNLOAD", export, by=by, adapter=export.adapter_id, sha256=export.archive_sha256)
    return archive(export, kept(export))


def verify_adapter(adapter: Adapter, *, by: User) -> list[str]:
    """What is wrong with the files and the signed exports of an adapter, one sentence each; audited.

    Computed anew from every byte, those of merged models included, before anything is written.
    """
    faults = []
    try:
        check_adapter(adapter_folder(adapter), adapter.sha256)
    except BadInput as error:
        faults.append(f"{error.sentence} {error.advice}")
    trusted = trusted_keys()
    for export in adapter.exports.exclude(signature={}):
        faults += _faults_of(export, trusted)
    audit.record("ADAPTER_VERIFY", adapter, by=by, n_faults=len(faults), sha256=adapter.sha256)
    return faults


def _faults_of(export: AdapterExport, trusted: Mapping[str, str]) -> list[str]:
    try:
        payload = signing.payload_of(export.signature)
        signing.check(export.signature, payload, PAYLOAD_TYPE, trusted)
        if json.loads(payload) != export.manifest:
            return [f"{export}: its manifest is not the one that was signed."]
        return altered_files(export)
    except signing.BadSignature as fault:
        return [f"{export}: {fault}"]
    except BadInput as error:
        return [f"{export}: {error.sentence} {error.advice}"]


# ---------- in


def import_adapter(*, project: Project, file_name: str, stream: IO[bytes], by: User) -> Adapter:
    """Checks an archive where it lies, and only then unpacks it and makes it a numbered model version.

    Raises Refused with one sentence; the attempt stays in the audit log.
    """
    check_import_adapter(by, project)
    trusted = trusted_keys()
    try:
        found = verify(stream, trusted)
        check_fits_here(project, found.manifest)
    except (ArchiveRefused, Refused) as refusal:
        with transaction.atomic():
            audit.record("ADAPTER_IMPORT_REFUSED", project, by=by, code=refusal.code)
        raise Refused(refusal.code, refusal.sentence) from refusal
    return _import(project, found, file_name, stream, by)


@transaction.atomic
def _import(project: Project, found: Verified, file_name: str, stream: IO[bytes], by: User) -> Adapter:
    # Asked again under a lock: of two who import the same file at once, one is told that it is here.
    base_model = check_fits_here(Project.objects.select_for_update(no_key=True).get(pk=project.pk), found.manifest)
    made = AdapterImport.objects.create(
        base_model=base_model, file_name=file_name[-255:], file_sha256=found.sha256, manifest=found.manifest,
        config=found.manifest["weights"].get("config", {}), key_id=found.key_id, signer=_name_of(found.key_id),
        created_by=by,
    )  # fmt: skip
    adapter = Adapter.objects.create(
        project=project, number=next_number(Adapter, project), imported=made, folder=f"imported-{made.pk}/adapter",
        sha256=found.manifest["adapter"]["sha256"], manifest=found.manifest["weights"], card={},
    )  # fmt: skip
    folder = Path(settings.RUNS_DIR) / adapter.folder
    folder.mkdir(parents=True, exist_ok=True)
    unpacked(stream, folder)
    replace_json(folder / MANIFEST, found.manifest["weights"])
    sync_folder(folder)
    try:
        check_adapter(folder, adapter.sha256)
        keep_adapter(folder)
    except BadInput as error:
        raise Refused("altered", f"{error.sentence} {error.advice}") from error
    audit.record(
        "ADAPTER_IMPORT", adapter, by=by, sha256=adapter.sha256, file_sha256=found.sha256, key=found.key_id,
        base_model=base_model.pk,
    )  # fmt: skip
    return adapter


def _name_of(key_id: str) -> str:
    named = TrustedKey.objects.filter(key_id=key_id, withdrawn_at=None).first()
    return named.name if named else OWN


@transaction.atomic
def add_trusted_key(*, name: str, public_key: str, by: User) -> TrustedKey:
    """From now on adapters signed with this key may be imported."""
    try:
        key_id = signing.key_id(public_key)
    except signing.BadSignature as fault:
        raise Refused("no-key", str(fault)) from fault
    check_trust_key(by, key_id)
    key = TrustedKey.objects.create(name=name, public_key=public_key.strip() + "\n", key_id=key_id, added_by=by)
    audit.record("KEY_TRUST", key, by=by, key=key_id, name=name)
    return key


@transaction.atomic
def withdraw_trusted_key(key: TrustedKey, *, by: User) -> None:
    """From now on nothing signed with this key comes in; what came in before stays."""
    key = TrustedKey.objects.select_for_update().get(pk=key.pk)
    check_withdraw_key(by, key)
    key.withdrawn_at, key.withdrawn_by = timezone.now(), by
    key.save()
    audit.record("KEY_WITHDRAW", key, by=by, key=key.key_id)
