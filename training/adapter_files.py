"""Where adapters and their exports lie on this site, and what an export says about itself, from rows."""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

from django.conf import settings

from clinicalft import signing
from clinicalft.models import WorkStatus
from training.adapter_archive import CARD, FORMAT, VERSION, Source, written
from training.artefacts import adapter_folder, digest_of, drop_folder, send_anew, store
from training.engine.adapter import FILES
from training.engine.config import MachineConfig, MergeConfig
from training.engine.files import sha256_of_file
from training.engine.folder import RunFolder, prepare_run_folder
from training.models import Adapter, AdapterExport, Dataset, ExportForm, Run, Split, TrustedKey
from training.rules.runs import base_model_path
from training.snapshot import example_rows

ENDED = (WorkStatus.DONE, WorkStatus.FAILED, WorkStatus.CANCELLED)
N_PROMPTS = 8
SAVED_AS = {"BF16": "bfloat16", "F16": "float16"}
"""Number format of a merged model by that of its base model; anything else is saved in float32."""
PROMPTS = (
    "Summarise: the patient has had a dry cough for two weeks and no fever.",
    "Name the section: Lungs clear to auscultation, no wheezes.",
    "List the medicines: metformin 500 mg twice a day, lisinopril 10 mg in the morning.",
    "Which side is it? X-ray of the left wrist shows no fracture.",
)
"""Asked where the adapter brought no dataset along; made up here, about nobody."""


def export_folder(export: AdapterExport) -> RunFolder:
    """Where the merged model of an export is made and kept."""
    return RunFolder(Path(settings.RUNS_DIR) / f"export-{export.pk}")


def trusted_keys() -> dict[str, str]:
    """Public keys whose signature is taken here, id -> PEM: those of the table that are not withdrawn, and our own
    once something was signed with it."""
    rows = TrustedKey.objects.filter(withdrawn_at=None).values_list("key_id", "public_key")
    own = signing.public_key()
    return {**dict(rows), **({signing.key_id(own): own} if own else {})}


def write_merge_folder(export: AdapterExport) -> RunFolder:
    """Writes run.json and the prompts on which the merged model is compared: held-out questions, never answers."""
    adapter = export.adapter
    base_model = adapter.base_model
    config = MergeConfig(
        base_model=str(base_model_path(base_model.folder)), base_digest=base_model.sha256,
        adapter=str(adapter_folder(adapter)), adapter_digest=adapter.sha256,
        saved_as=SAVED_AS.get(base_model.facts["dtype"], "float32"),
        max_question=adapter.config.get("max_question", MergeConfig.max_question),
    )  # fmt: skip
    return prepare_run_folder(
        export_folder(export).path, config, MachineConfig.from_json(adapter.machine), prompts=_prompts(adapter.dataset)
    )


def _prompts(dataset: Dataset | None) -> Iterator[dict[str, Any]]:
    if dataset is None:
        yield from (
            {"id": str(number), "messages": [{"role": "user", "content": text}]} for number, text in enumerate(PROMPTS)
        )
        return
    for _, row in zip(range(N_PROMPTS), example_rows(dataset, Split.VALIDATION), strict=False):
        yield {"id": row["id"], "messages": row["messages"][:-1]}


def _made(export: AdapterExport) -> dict[str, Path]:
    """What an export holds beside its card, manifest and signature, on the host that makes it."""
    if export.form == ExportForm.MERGED:
        return {path.name: path for path in export_folder(export).merged.iterdir() if path.name != CARD}
    folder = adapter_folder(export.adapter)
    return {name: folder / name for name in FILES}


def made(export: AdapterExport) -> dict[str, Source]:
    """The files of an export that is being made."""
    return {name: Source(partial(_opened, path), path.stat().st_size) for name, path in _made(export).items()}


def kept(export: AdapterExport) -> dict[str, Source]:
    """The files of a finished export: a merged model is read from the artefact store, so any host can hand it out."""
    if export.form == ExportForm.ADAPTER:
        return made(export)
    return {
        name: Source(partial(store().open, f"{_place(export)}/{name}"), row["bytes"])
        for name, row in export.manifest["files"].items()
        if name != CARD
    }


def archive(export: AdapterExport, files: Mapping[str, Source]) -> Iterator[bytes]:
    """The archive of an export, streamed; the same bytes every time."""
    return written(export.card, export.signature, signing.payload_of(export.signature), files)


def _opened(path: Path) -> IO[bytes]:
    return path.open("rb")


def keep_merged(export: AdapterExport) -> None:
    """Moves the merged model of an export into the artefact store. Safe to repeat. Raises BadInput."""
    for name, path in _made(export).items():
        send_anew(path, f"{_place(export)}/{name}")
    shutil.rmtree(export_folder(export).path)


def drop_merged(export: AdapterExport) -> None:
    """Takes away what an attempt at a merged model left on this host and in the store. Raises BadInput."""
    drop_folder(_place(export))
    shutil.rmtree(export_folder(export).path, ignore_errors=True)


def sweep_exports() -> None:
    """Takes away what merges whose worker was killed left on this host, once their exports have ended otherwise."""
    found = [path.name.removeprefix("export-") for path in Path(settings.RUNS_DIR).glob("export-*")]
    for export in AdapterExport.objects.filter(pk__in=filter(str.isdecimal, found), status__in=ENDED):
        if export.status == WorkStatus.DONE:
            # Another host made it, and its files in the store are the ones that were signed.
            shutil.rmtree(export_folder(export).path, ignore_errors=True)
        else:
            drop_merged(export)


def altered_files(export: AdapterExport) -> list[str]:
    """What of a finished export is not as it was signed, one sentence for each file.

    The card and every file of a merged model are hashed anew. The two files of an adapter alone are those of the
    adapter itself, which `check_adapter` hashes. Raises BadInput when the store cannot be used.
    """
    listed = export.manifest["files"]
    digests = {CARD: hashlib.sha256(export.card.encode()).hexdigest()}
    if export.form == ExportForm.MERGED:
        digests |= {name: digest_of(f"{_place(export)}/{name}") or "" for name in sorted(listed) if name != CARD}
    return [
        f"{export}: {name} is not what was signed: its digest differs."
        if digest
        else f"{export}: {name} is missing from the artefact store. Restore the store, or export again."
        for name, digest in digests.items()
        if digest != listed[name]["sha256"]
    ]


def _place(export: AdapterExport) -> str:
    return f"exports/{export.pk}"


def card_facts(export: AdapterExport, result: dict[str, Any]) -> dict[str, Any]:
    """Everything that manifest and card say but the files: plain values, no names of people, no paths, and no
    text of notes but for the examples that its prompt shows."""
    adapter = export.adapter
    base_model = adapter.base_model
    return {
        "format": FORMAT,
        "version": VERSION,
        "form": export.form.lower(),
        "project": export.project.name,
        "exported_at": export.created_at.isoformat(),
        "adapter": {
            "number": adapter.number, "sha256": adapter.sha256, "registered_at": adapter.registered_at.isoformat()
        },
        "weights": adapter.manifest,
        "base_model": {
            "name": base_model.name, "sha256": base_model.sha256, "licence": base_model.licence,
            "architecture": base_model.facts["architecture"], "n_parameters": base_model.n_parameters,
        },
        **_origin(adapter),
        "comparison": result.get("comparison", {}),
    }  # fmt: skip


def _origin(adapter: Adapter) -> dict[str, Any]:
    """What it was trained on and how; of an imported adapter, what the manifest said that it came with."""
    if adapter.run is not None:
        return {"imported": None, "dataset": _dataset(adapter.run.dataset), "training": _training(adapter.run)}
    made = adapter.imported
    if made is None:
        raise ValueError(f"{adapter} has no origin.")
    came = {"file_sha256": made.file_sha256, "key": made.key_id, "signer": made.signer}
    return {"imported": came, "dataset": made.manifest["dataset"], "training": made.manifest["training"]}


def _dataset(dataset: Dataset) -> dict[str, Any]:
    manifest = dataset.manifest
    return {
        "number": dataset.number, "title": dataset.title, "sha256": dataset.sha256, "kind": dataset.kind,
        "n_train": dataset.n_train, "n_validation": dataset.n_validation, "n_test": dataset.n_test,
        "n_patients": dataset.n_patients, "languages": manifest.get("languages", []),
        "rounds": manifest.get("rounds", []), "imports": manifest.get("imports", []),
        "prompt": manifest.get("prompt", {}),
    }  # fmt: skip


def _training(run: Run) -> dict[str, Any]:
    result = run.result
    evaluations = result.get("evaluations") or [{}]
    return {
        "run": run.number, "config": run.config, "first_loss": run.first_loss, "last_loss": run.last_loss,
        "n_evaluated": evaluations[-1].get("n"), "kept_step": result.get("kept_step"),
        "tokens": result.get("tokens"), "seconds": result.get("seconds"), "device": result.get("device", ""),
        "versions": result.get("versions", {}),
    }  # fmt: skip


def manifest_of(export: AdapterExport, result: dict[str, Any]) -> dict[str, Any]:
    """What is in an export and from what, with digest and size of every file but itself and its signature."""
    files = {
        name: {"sha256": sha256_of_file(path), "bytes": path.stat().st_size} for name, path in _made(export).items()
    }
    card = export.card.encode()
    files[CARD] = {"sha256": hashlib.sha256(card).hexdigest(), "bytes": len(card)}
    return {**card_facts(export, result), "files": files}
