"""Field encryption: the only place that turns readable identifiers into stored bytes and back."""

import hashlib
import hmac
import json
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


class Undecipherable(Exception):
    """Stored bytes that none of the configured field keys opens."""


@lru_cache(maxsize=4)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(text: str) -> bytes:
    """`text` as an authenticated token under the newest field key (Fernet: AES-128-CBC with HMAC-SHA-256)."""
    return _cipher(tuple(settings.FIELD_KEYS)).encrypt(text.encode())


def decrypt(token: bytes) -> str:
    """The text of a token under any configured key; raises Undecipherable otherwise."""
    try:
        return _cipher(tuple(settings.FIELD_KEYS)).decrypt(bytes(token)).decode()
    except InvalidToken as error:
        raise Undecipherable("This text was encrypted with a key that is not configured here.") from error


def blind_index(*parts: str) -> str:
    """A keyed digest (HMAC-SHA-256, hex) to find an encrypted value again without being able to read it.

    The key is derived from the oldest field key, which rotation keeps, so that indexes stay valid.
    """
    key = hashlib.sha256(b"blind-index:" + settings.FIELD_KEYS[-1].encode()).digest()
    return hmac.new(key, "\x1f".join(parts).encode(), hashlib.sha256).hexdigest()


class EncryptedTextField(models.Field):  # type: ignore[type-arg]
    """A text column stored as an authenticated token; a dump of the database does not show it."""

    empty_values = [None]

    def get_internal_type(self) -> str:
        return "BinaryField"

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else encrypt(value)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if not prepared:
            value = self.get_prep_value(value)
        return None if value is None else connection.Database.Binary(value)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> str | None:
        return None if value is None else decrypt(value)


class EncryptedJSONField(EncryptedTextField):
    """Any JSON value stored as an authenticated token."""

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else encrypt(json.dumps(value, ensure_ascii=False, allow_nan=False))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return None if value is None else json.loads(decrypt(value))
