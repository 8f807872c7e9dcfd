"""API keys as values: what a key opens, until when, and how a given secret is compared.

Only the SHA-256 of a secret is kept. A slow password hash would add nothing: the secret is 256
random bits, not a word that somebody chose, so there is no list of guesses to slow down.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, Self, get_args

from ml_assets.core.errors import ServingError, nearest

Scope = Literal["predict", "feedback", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
KEYS_FILE = "keys.json"
SECRET_BYTES = 32
SECRET_PREFIX = "mla_"  # noqa: S105 - it makes a leaked key easy to search for, and opens nothing
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_FIELDS = frozenset({"name", "sha256", "scopes", "created", "expires", "revoked"})


@dataclass(frozen=True)
class ApiKey:
    """One key, without its secret.

    Attributes:
        name: Who uses it; it stands in logs and beside the feedback it sent.
        sha256: Hash of the secret, in hexadecimal.
        scopes: What it opens.
        created: When it was made.
        expires: From when on it opens nothing; None for never.
        revoked: When it was taken back; None while it is not.
    """

    name: str
    sha256: str
    scopes: tuple[Scope, ...]
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None

    def usable(self, now: datetime) -> bool:
        """Return whether it opens anything at ``now``."""
        return self.revoked is None and (self.expires is None or now < self.expires)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "scopes": list(self.scopes),
            "created": self.created.isoformat(),
            "expires": self.expires.isoformat() if self.expires else None,
            "revoked": self.revoked.isoformat() if self.revoked else None,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Build the key that ``to_json`` described.

        Raises:
            ServingError: If a field is missing, unknown or not what it should be.
        """
        if not isinstance(values, dict) or values.keys() != _FIELDS:
            message = f"A key has the fields {sorted(_FIELDS)}: make keys with ml-assets keys."
            raise ServingError(message)
        try:
            created, expires, revoked = (
                None if values[name] is None else datetime.fromisoformat(values[name])
                for name in ("created", "expires", "revoked")
            )
        except (TypeError, ValueError) as error:
            message = f"A moment of key {values['name']!r} is no ISO 8601 time."
            raise ServingError(message) from error
        moments = [moment for moment in (created, expires, revoked) if moment is not None]
        if created is None or any(moment.utcoffset() is None for moment in moments):
            message = (
                f"The moments of key {values['name']!r} need a time zone, and one of creation."
            )
            raise ServingError(message)
        check_name(values["name"])
        if not re.fullmatch("[0-9a-f]{64}", str(values["sha256"])):
            message = f"sha256 of key {values['name']!r} is not 64 hexadecimal digits."
            raise ServingError(message)
        scopes = checked_scopes(values["scopes"])
        return cls(values["name"], values["sha256"], scopes, created, expires, revoked)


@dataclass(frozen=True)
class KeyRing:
    """All keys of a workspace, those that open nothing any more among them."""

    keys: tuple[ApiKey, ...] = ()

    def find(self, secret: str, *, now: datetime) -> ApiKey | None:
        """Return the key that a secret belongs to, if it is usable at ``now``.

        Every key is compared, each in constant time: how long it takes tells nothing.
        """
        digest = digest_of_secret(secret)
        found = None
        for key in self.keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found if found is not None and found.usable(now) else None

    def with_key(self, key: ApiKey) -> "KeyRing":
        """Return the ring with one more key.

        Raises:
            ServingError: If a key that was not revoked has this name.
        """
        if any(known.name == key.name and known.revoked is None for known in self.keys):
            message = f"There is a key {key.name!r} already. Revoke it first, or take another name."
            raise ServingError(message)
        return KeyRing((*self.keys, key))

    def without(self, name: str, *, at: datetime) -> "KeyRing":
        """Return the ring with the key of this name revoked.

        Raises:
            ServingError: If no key of this name is left to revoke.
        """
        names = [key.name for key in self.keys if key.revoked is None]
        if name not in names:
            hint = nearest(name, names) if names else "There is no key yet."
            message = f"No key {name!r} can be revoked. {hint}"
            raise ServingError(message)
        return KeyRing(
            tuple(
                replace(key, revoked=at) if key.name == name and key.revoked is None else key
                for key in self.keys
            )
        )

    def opens(self, scope: Scope, now: datetime) -> bool:
        """Return whether any key opens ``scope`` at ``now``."""
        return any(key.usable(now) and scope in key.scopes for key in self.keys)

    def to_json(self) -> str:
        """Return the text of the file of keys."""
        return json.dumps({"keys": [key.to_json() for key in self.keys]}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Build the ring that ``to_json`` described.

        Raises:
            ServingError: If the text is not one. Nothing of it is used then: half a list of keys
                could hold a revoked one.
        """
        try:
            values = json.loads(text)
        except ValueError as error:
            message = "The file of keys is no JSON: make keys with ml-assets keys."
            raise ServingError(message) from error
        if not isinstance(values, dict) or not isinstance(values.get("keys"), list):
            message = "The file of keys holds an object with a list 'keys'."
            raise ServingError(message)
        return cls(tuple(ApiKey.from_json(value) for value in values["keys"]))


def secret_of(random: bytes) -> str:
    """Return a secret made of 32 random bytes.

    Example:
        >>> secret_of(bytes(32))
        'mla_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
    """
    if len(random) != SECRET_BYTES:
        message = f"A secret is made of {SECRET_BYTES} random bytes; found {len(random)}."
        raise ServingError(message)
    return SECRET_PREFIX + base64.urlsafe_b64encode(random).rstrip(b"=").decode()


def digest_of_secret(secret: str) -> str:
    """Return the hash that is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def check_name(name: object) -> None:
    """Refuse what cannot name a key.

    Raises:
        ServingError: If it is not 1 to 63 letters, digits, '.', '_' or '-'.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        message = f"{name!r} cannot name a key: use 1 to 63 letters, digits, '.', '_' or '-'."
        raise ServingError(message)


def checked_scopes(scopes: Sequence[str]) -> tuple[Scope, ...]:
    """Return scopes in their usual order.

    Raises:
        ServingError: If there is none, or an unknown one.
    """
    for scope in scopes:
        if scope not in SCOPES:
            message = f"There is no scope {scope!r}. {nearest(str(scope), SCOPES)}"
            raise ServingError(message)
    if not scopes:
        message = f"A key needs a scope: {', '.join(SCOPES)}."
        raise ServingError(message)
    return tuple(scope for scope in SCOPES if scope in scopes)
