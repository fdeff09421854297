"""Adapters with real files: written by hand, so that nobody has to train one, and registered by the real action."""

import json
import struct
from pathlib import Path
from typing import IO, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings

from clinicalft import jobs, signing
from clinicalft.models import Project
from tests.factories.training import frozen_dataset, ready_base_model
from tests.personas import Cast
from training.actions.adapters import export_adapter, finish_export, import_adapter
from training.actions.runs import register_adapter, start_run
from training.adapter_files import archive, export_folder, kept
from training.engine.adapter import FILES
from training.engine.config import RunConfig
from training.engine.files import replace_json, sha256_of_file, sha256_of_files
from training.models import Adapter, AdapterExport, BaseModel, Dataset, Run
from training.snapshot import run_folder
from training.tasks import export_adapter as export_task

TENSOR = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
EVALUATIONS = [{"step": 0, "loss": 4.0, "n": 3}, {"step": 6, "loss": 1.5, "n": 3}]


def safetensors(*names: str) -> bytes:
    """A safetensors file of one number by each name."""
    header = {
        name: {"dtype": "F32", "shape": [1], "data_offsets": [4 * place, 4 * place + 4]}
        for place, name in enumerate(names)
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + struct.pack("<f", 0.5) * len(names)


def write_adapter_files(folder: Path, base_model: BaseModel, *, tensor: str = TENSOR, **config: Any) -> dict[str, Any]:
    """What the engine leaves where a run ends: configuration, weights and manifest; returns the manifest."""
    folder.mkdir(parents=True)
    plain = {"peft_type": "LORA", "r": 4, "base_model_name_or_path": base_model.folder, **config}
    (folder / FILES[0]).write_text(json.dumps(plain))
    (folder / FILES[1]).write_bytes(safetensors(tensor))
    files = {name: sha256_of_file(folder / name) for name in FILES}
    manifest = {
        "version": 1, "digest": sha256_of_files(files), "files": files, "base_model": base_model.folder,
        "base_digest": base_model.sha256, "config": RunConfig(base_model="-").identity(),
    }  # fmt: skip
    replace_json(folder / "manifest.json", manifest)
    return manifest


def registered_adapter(
    cast: Cast, *, dataset: Dataset | None = None, base_model: BaseModel | None = None, folder: str = "tiny",
    **files: Any,
) -> Adapter:  # fmt: skip
    """The adapter of a run that Ada started and that ended well, with its files; all but the weights is real."""
    dataset, base_model = dataset or frozen_dataset(cast), base_model or ready_base_model(cast, folder)
    run = start_run(project=cast.project, dataset=dataset, base_model=base_model, by=cast.ada, config={})
    lease = jobs.claim(Run, run.pk)
    assert lease is not None
    write_adapter_files(run_folder(run).adapter, base_model, **files)
    result = {
        "evaluations": EVALUATIONS, "kept_step": 6, "tokens": 1200, "seconds": 3.0, "device": "x86_64",
        "versions": {"torch": "2.13.0"},
    }  # fmt: skip
    return register_adapter(lease, result=result, log_tail="")


def exported(adapter: Adapter, cast: Cast, form: str = "ADAPTER") -> AdapterExport:
    """A finished export, made by the real task."""
    export = export_adapter(adapter, form=form, by=cast.ada)
    export_task(export.pk)
    export.refresh_from_db()
    assert export.status == "DONE", export.error
    return export


def being_merged(adapter: Adapter, cast: Cast) -> tuple[AdapterExport, jobs.Lease]:
    """An export as a merged model that a worker has claimed and whose model the engine has written."""
    export = export_adapter(adapter, form="MERGED", by=cast.ada)
    lease = jobs.claim(AdapterExport, export.pk)
    assert lease is not None
    folder = export_folder(export).merged
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(safetensors("model.norm.weight"))
    return export, lease


def merged(adapter: Adapter, cast: Cast) -> AdapterExport:
    """A finished export as a merged model; all but its weights is real."""
    export, lease = being_merged(adapter, cast)
    finish_export(lease, result={"comparison": {}})
    export.refresh_from_db()
    return export


def archive_file(export: AdapterExport, path: Path) -> Path:
    """The archive of an export as a file."""
    path.write_bytes(b"".join(archive(export, kept(export))))
    return path


def imported_adapter(cast: Cast, stream: IO[bytes], project: Project | None = None) -> Adapter:
    """What is in an archive, imported by Ada into the other project."""
    return import_adapter(project=project or cast.other_project, file_name="came.zip", stream=stream, by=cast.ada)


def key_of_this_site() -> str:
    """The public key of this site, made by signing something with it."""
    signing.sign(b"", "application/vnd.test")
    made = signing.public_key()
    assert made is not None
    return made


def another_key() -> str:
    """The public key of some other site."""
    key = Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def runs_folder() -> Path:
    """Where runs, imports and exports have their files."""
    return Path(settings.RUNS_DIR)
