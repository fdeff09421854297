"""An archive is believed only when every part of it is as a trusted site signed it."""

import io
import json
import stat
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from clinicalft import signing
from clinicalft.lib.hashing import canonical_json
from tests.factories.adapters import key_of_this_site, safetensors, write_adapter_files
from training.adapter_archive import (
    CARD,
    FORMAT,
    MANIFEST,
    PAYLOAD_TYPE,
    SIGNATURE,
    ArchiveRefused,
    Source,
    unpacked,
    verify,
    written,
)
from training.engine.adapter import FILES, check_adapter
from training.engine.files import sha256_of_file
from training.models import BaseModel

Files = dict[str, bytes]


@pytest.fixture(autouse=True)
def keys(settings: Any, tmp_path: Path) -> None:
    settings.KEYS_DIR = tmp_path / "keys"


def trusted() -> dict[str, str]:
    own = key_of_this_site()
    return {signing.key_id(own): own}


def archive_of(tmp_path: Path, **files: Any) -> bytes:
    """A whole and good archive of an adapter, signed by this site."""
    weights = write_adapter_files(tmp_path / "adapter", BaseModel(folder="tiny", sha256="ab" * 32), **files)
    paths = {name: tmp_path / "adapter" / name for name in FILES}
    card = "# A card\n"
    (tmp_path / CARD).write_text(card)
    listed = {
        name: {"sha256": sha256_of_file(path), "bytes": path.stat().st_size}
        for name, path in {**paths, CARD: tmp_path / CARD}.items()
    }
    manifest = {
        "format": FORMAT, "version": 1, "form": "adapter", "adapter": {"number": 1, "sha256": weights["digest"]},
        "weights": weights, "base_model": {"name": "Tiny", "sha256": "ab" * 32}, "files": listed,
    }  # fmt: skip
    payload = canonical_json(manifest).encode()
    sources = {name: Source(partial(path.open, "rb"), path.stat().st_size) for name, path in paths.items()}
    return b"".join(written(card, signing.sign(payload, PAYLOAD_TYPE), payload, sources))


def members_of(archive: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


def packed(files: Files, **options: Any) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return stream.getvalue()


def refusal(archive: bytes) -> ArchiveRefused:
    with pytest.raises(ArchiveRefused) as refused:
        verify(io.BytesIO(archive), trusted())
    return refused.value


def test_a_good_archive_is_verified_and_unpacks_to_what_was_written(tmp_path: Path) -> None:
    archive = archive_of(tmp_path)

    found = verify(io.BytesIO(archive), trusted())
    (tmp_path / "out").mkdir()
    unpacked(io.BytesIO(archive), tmp_path / "out")

    assert found.n_bytes == len(archive)
    assert found.key_id in trusted()
    for name in FILES:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "adapter" / name).read_bytes()
    (tmp_path / "out" / MANIFEST).write_text(json.dumps(found.manifest["weights"]))
    assert check_adapter(tmp_path / "out", found.manifest["adapter"]["sha256"])


@pytest.mark.parametrize("name", [*FILES, CARD, MANIFEST, SIGNATURE])
def test_one_flipped_byte_anywhere_is_found(tmp_path: Path, name: str) -> None:
    files = members_of(archive_of(tmp_path))
    content = bytearray(files[name])
    content[len(content) // 2] ^= 1
    files[name] = bytes(content)

    assert refusal(packed(files)).code in ("altered", "signature")


@pytest.mark.parametrize("name", [*FILES, CARD, MANIFEST, SIGNATURE])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    files = members_of(archive_of(tmp_path))
    del files[name]

    found = refusal(packed(files))

    assert found.code == "missing"
    assert name in found.sentence


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("notes.txt", "unknown"), (".git", "name"), ("../evil.json", "name"), ("/etc/passwd", "name"),
        ("a\\b.json", "name"), ("C:evil", "name"), ("deep/inside.json", "name"), ("adapter_model.bin", "pickle"),
        ("training_args.PT", "pickle"), ("modeling.py", "code"), ("README.MD", "twice"),
    ],
)  # fmt: skip
def test_a_file_more_is_refused_by_its_name(tmp_path: Path, name: str, code: str) -> None:
    files = members_of(archive_of(tmp_path)) | {name: b"x"}

    assert refusal(packed(files)).code == code


def test_a_link_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO(archive_of(tmp_path))
    with zipfile.ZipFile(stream, "a") as zipped:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        zipped.writestr(link, "/etc/passwd")

    assert refusal(stream.getvalue()).code == "no-file"


def test_the_same_name_twice_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO(archive_of(tmp_path))
    with zipfile.ZipFile(stream, "a") as zipped, pytest.warns(UserWarning, match="Duplicate name"):
        zipped.writestr(CARD, "another")

    assert refusal(stream.getvalue()).code == "twice"


def test_a_zip_bomb_is_refused_before_a_byte_of_it_is_read(tmp_path: Path) -> None:
    files = members_of(archive_of(tmp_path)) | {CARD: bytes(50_000_000)}
    archive = packed(files, compression=zipfile.ZIP_DEFLATED)
    assert len(archive) < 100_000

    assert refusal(archive).code == "packed"


def test_a_zip_that_claims_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    archive = bytearray(archive_of(tmp_path))
    # The sizes in the central directory, which is what a reader believes first.
    entry = archive.index(b"PK\x01\x02")
    for offset in (20, 24):
        archive[entry + offset : entry + offset + 4] = (1 << 31).to_bytes(4, "little")

    assert refusal(bytes(archive)).code in ("bomb", "damaged")


def test_a_thousand_members_are_refused(tmp_path: Path) -> None:
    assert refusal(packed({f"f{n}": b"" for n in range(1000)})).code == "too-many"


@pytest.mark.parametrize("damage", [lambda zipped: zipped[:-200], lambda zipped: zipped[:50], lambda zipped: b""])
def test_what_is_no_whole_zip_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    assert refusal(damage(archive_of(tmp_path))).code == "damaged"


def test_another_sites_signature_counts_only_when_its_key_is_trusted(tmp_path: Path, settings: Any) -> None:
    settings.KEYS_DIR = tmp_path / "elsewhere"
    archive, theirs = archive_of(tmp_path), trusted()
    settings.KEYS_DIR = tmp_path / "keys"

    assert refusal(archive).code == "signature"
    assert verify(io.BytesIO(archive), {**trusted(), **theirs}).key_id in theirs


@pytest.mark.parametrize(
    "files",
    [
        {"tensor": "model.layers.0.mlp.weight"}, {"peft_type": "PREFIX_TUNING"}, {"modules_to_save": ["lm_head"]},
        {"auto_mapping": {"base_model_class": "Evil", "parent_library": "evil"}},
    ],
)  # fmt: skip
def test_what_is_no_plain_lora_adapter_is_refused_even_when_it_is_signed(tmp_path: Path, files: Any) -> None:
    assert refusal(archive_of(tmp_path, **files)).code == "no-lora"


def test_weights_that_are_no_safetensors_are_refused_even_when_they_are_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.factories.adapters.safetensors", lambda *names: b"\x80\x04K\x01.")

    assert refusal(archive_of(tmp_path)).code == "no-lora"
    assert safetensors("x")


def test_a_manifest_of_another_kind_is_refused_even_when_it_is_signed(tmp_path: Path) -> None:
    files = members_of(archive_of(tmp_path))
    payload = canonical_json({"format": "something", "version": 1}).encode()
    files |= {MANIFEST: payload, SIGNATURE: json.dumps(signing.sign(payload, PAYLOAD_TYPE)).encode()}

    assert refusal(packed(files)).code == "version"
