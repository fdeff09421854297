"""The signature of this site: one Ed25519 key (RFC 8032), and DSSE envelopes that are made and checked with such keys.

DSSE (github.com/secure-systems-lab/dsse, protocol version 1) signs the type together with the bytes, so that nothing
signed for one purpose passes for another. The private key lies in KEYS_DIR, wrapped by the site's field key.
"""

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from django.conf import settings

from clinicalft.crypto import decrypt, encrypt

SITE_KEY = "site-key"


class BadSignature(Exception):
    """An envelope that is not signed by a trusted key, or not over these bytes: one plain sentence."""


def public_key() -> str | None:
    """The public key of this site as PEM: what another site needs in order to trust what comes from here.

    None until something was signed: asking for it makes no key.
    """
    key = _kept_key()
    return _pem(key.public_key()) if key else None


def key_id(pem: str) -> str:
    """SHA-256 of a public key (its DER form), in hexadecimal. Raises BadSignature for anything but Ed25519 as PEM."""
    return _key_id(_public(pem))


def sign(payload: bytes, payload_type: str) -> dict[str, Any]:
    """A DSSE envelope around `payload`, signed with the key of this site, which is made now if there is none."""
    key = _kept_key() or _made_key()
    return {
        "payloadType": payload_type,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {
                "keyid": _key_id(key.public_key()),
                "sig": base64.b64encode(key.sign(_signed_bytes(payload, payload_type))).decode(),
            }
        ],
    }


def payload_of(envelope: Mapping[str, Any]) -> bytes:
    """The bytes that an envelope of this site was made around."""
    return base64.b64decode(envelope["payload"], validate=True)


def check(envelope: Any, payload: bytes, payload_type: str, trusted: Mapping[str, str]) -> str:
    """The id of the key in `trusted` (id -> PEM) that signed `payload`. Raises BadSignature.

    A key is only ever found by its id among the trusted ones; nothing in the envelope can bring its own.
    """
    try:
        signatures = [(str(each["keyid"]), base64.b64decode(each["sig"], validate=True)) for each in
                      envelope["signatures"]]  # fmt: skip
        is_same = envelope["payloadType"] == payload_type
        is_same = is_same and base64.b64decode(envelope["payload"], validate=True) == payload
    except (TypeError, KeyError, ValueError, binascii.Error) as error:
        raise BadSignature("The signature is no DSSE envelope that can be read.") from error
    if not is_same:
        raise BadSignature("The signature is over something else than the manifest that lies beside it.")
    known = [(name, signature) for name, signature in signatures if name in trusted]
    if not known:
        names = ", ".join(f"{name[:16]}..." for name, _ in signatures) or "nobody"
        raise BadSignature(f"It is signed by a key that nobody here trusts ({names}).")
    for name, signature in known:
        try:
            _public(trusted[name]).verify(signature, _signed_bytes(payload, payload_type))
            return name
        except InvalidSignature:
            continue
    raise BadSignature("The signature does not fit the manifest: one of them was altered.")


def _signed_bytes(payload: bytes, payload_type: str) -> bytes:
    """Pre-authentication encoding of DSSE: lengths and content of type and payload."""
    return b"DSSEv1 %d %s %d %s" % (len(payload_type.encode()), payload_type.encode(), len(payload), payload)


def _place() -> Path:
    return Path(settings.KEYS_DIR) / SITE_KEY


def _kept_key() -> Ed25519PrivateKey | None:
    try:
        sealed = _place().read_bytes()
    except FileNotFoundError:
        return None
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(decrypt(sealed)))


def _made_key() -> Ed25519PrivateKey:
    path = _place()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{SITE_KEY}.{os.getpid()}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_bytes(encrypt(Ed25519PrivateKey.generate().private_bytes_raw().hex()))
    try:
        # The file appears whole, and of two processes that start together the first one wins.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(decrypt(path.read_bytes())))


def _public(pem: str) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(pem.strip().encode())
    except ValueError as error:
        raise BadSignature("This is no public key in PEM form (-----BEGIN PUBLIC KEY-----).") from error
    if not isinstance(key, Ed25519PublicKey):
        raise BadSignature("This is no Ed25519 key; the sites sign with Ed25519 only.")
    return key


def _pem(key: Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _key_id(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
