"""The adapter folder: weights as safetensors, a configuration without paths, and a manifest of digests.

Importable without torch; only writing needs it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.engine.files import read_json, replace_json, sha256_of_file, sha256_of_files, sync_folder, write_bytes
from training.engine.outcome import BadInput

if TYPE_CHECKING:
    from peft import PeftModel

FILES = ("adapter_config.json", "adapter_model.safetensors")
WHOLE_FILES = ("model.safetensors",)
"""What lies there instead where a base model was trained whole."""


def write_adapter(folder: Path, model: PeftModel, about: dict[str, Any]) -> str:
    """Write the folder, with `about` in its manifest, and return the digest of weights and configuration."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save

    folder.mkdir(exist_ok=True)
    # Embeddings are never adapted here; asked to find out by itself, PEFT would look for the base model on its hub.
    found = get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {name: value.detach().cpu().contiguous() for name, value in found.items()}
    write_bytes(folder / "adapter_model.safetensors", save(tensors, metadata={"format": "pt"}))
    replace_json(folder / "adapter_config.json", _portable(model.peft_config["default"], about["base_model"]))
    files = {name: sha256_of_file(folder / name) for name in FILES}
    digest = sha256_of_files(files)
    replace_json(folder / "manifest.json", {"version": 1, "digest": digest, "files": files, **about})
    sync_folder(folder)
    return digest


def check_adapter(folder: Path, digest: str) -> dict[str, Any]:
    """The manifest of an adapter whose files are all as they were written. Raises BadInput."""
    if not (folder / "manifest.json").is_file():
        raise BadInput(f"There is no adapter in the folder {folder.name!r}.", "Give a folder that a run has written.")
    manifest = read_json(folder / "manifest.json")
    known = (*FILES, *WHOLE_FILES)
    files = {name: sha256_of_file(folder / name) for name in known if (folder / name).is_file()}
    if files != manifest["files"] or (digest and digest != sha256_of_files(files)):
        names = sorted({*files, *manifest["files"]})
        found = [name for name in names if files.get(name) != manifest["files"].get(name)] or ["manifest.json"]
        raise BadInput(
            f"The adapter has changed since it was registered: {', '.join(found)}.",
            "Restore the folder, or train the adapter again.",
        )
    return dict(manifest)


def _portable(config: Any, base_name: str) -> dict[str, Any]:
    """PEFT's configuration as plain JSON, with the base model's name where its local folder was."""
    from peft import LoraConfig

    if not isinstance(config, LoraConfig):
        raise TypeError("Only LoRA adapters are written here.")
    values = config.to_dict() | {"base_model_name_or_path": base_name, "inference_mode": True}
    plain = {name: sorted(value) if isinstance(value, set) else value for name, value in values.items()}
    return dict(json.loads(json.dumps(plain, default=str)))
