"""The signature of the site: only trusted keys, only these bytes, only this purpose."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from clinicalft.signing import SITE_KEY, BadSignature, _signed_bytes, check, key_id, payload_of, public_key, sign

TYPE = "application/vnd.test+json"


@pytest.fixture(autouse=True)
def keys(settings: Any, tmp_path: Path) -> Path:
    settings.KEYS_DIR = tmp_path / "keys"
    return tmp_path / "keys"


def own() -> dict[str, str]:
    sign(b"", TYPE)
    key = public_key()
    assert key is not None
    return {key_id(key): key}


def pem_of(key: Any) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()  # type: ignore[no-any-return]


def test_what_is_signed_is_what_the_protocol_says() -> None:
    # The example of the DSSE protocol, version 1.
    signed = _signed_bytes(b"hello world", "http://example.com/HelloWorld")

    assert signed == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_the_sites_own_signature_holds_and_names_its_key() -> None:
    envelope = json.loads(json.dumps(sign(b"{}", TYPE)))

    assert [check(envelope, b"{}", TYPE, own())] == list(own())
    assert payload_of(envelope) == b"{}"


def test_the_key_is_made_by_the_first_signature_once_and_lies_encrypted(keys: Path) -> None:
    assert public_key() is None
    assert not keys.exists()

    first = sign(b"1", TYPE)["signatures"][0]["keyid"]

    assert sign(b"2", TYPE)["signatures"][0]["keyid"] == first
    assert list(own()) == [first]
    assert (keys / SITE_KEY).stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE" not in (keys / SITE_KEY).read_bytes()
    assert [path.name for path in keys.iterdir()] == [SITE_KEY]


@pytest.mark.parametrize(
    ("payload", "payload_type", "sentence"),
    [
        (b"{ }", TYPE, "over something else"),
        (b"{}", "application/vnd.other+json", "over something else"),
    ],
)
def test_a_signature_is_for_these_bytes_and_this_purpose(payload: bytes, payload_type: str, sentence: str) -> None:
    with pytest.raises(BadSignature, match=sentence):
        check(sign(b"{}", TYPE), payload, payload_type, own())


def test_an_altered_payload_that_the_envelope_repeats_is_found() -> None:
    envelope = sign(b"{}", TYPE) | {"payload": base64.b64encode(b"{1}").decode()}

    with pytest.raises(BadSignature, match="does not fit"):
        check(envelope, b"{1}", TYPE, own())


def test_a_key_that_nobody_trusts_is_refused_however_good_its_signature() -> None:
    envelope = sign(b"{}", TYPE)

    with pytest.raises(BadSignature, match="nobody here trusts"):
        check(envelope, b"{}", TYPE, {key_id(pem_of(other := Ed25519PrivateKey.generate())): pem_of(other)})


def test_a_trusted_name_over_a_foreign_signature_is_refused() -> None:
    envelope = sign(b"{}", TYPE)
    foreign = Ed25519PrivateKey.generate().sign(_signed_bytes(b"{}", TYPE))
    envelope["signatures"][0]["sig"] = base64.b64encode(foreign).decode()

    with pytest.raises(BadSignature, match="does not fit"):
        check(envelope, b"{}", TYPE, own())


@pytest.mark.parametrize("envelope", [None, [], {}, {"signatures": 1}, {"payloadType": TYPE, "signatures": [{}]}])
def test_what_is_no_envelope_is_said_to_be_none(envelope: Any) -> None:
    with pytest.raises(BadSignature, match="no DSSE envelope"):
        check(envelope, b"{}", TYPE, own())


@pytest.mark.parametrize("text", ["", "ssh-ed25519 AAAA", pem_of(generate_private_key(SECP256R1()))])
def test_only_ed25519_keys_are_keys_here(text: str) -> None:
    with pytest.raises(BadSignature):
        key_id(text)
