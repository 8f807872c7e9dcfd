"""The file of API keys: hashes only, replaced as a whole."""

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ml_assets.core.api_keys import (
    KEYS_FILE,
    SECRET_BYTES,
    ApiKey,
    KeyRing,
    check_name,
    checked_scopes,
    digest_of_secret,
    secret_of,
)
from ml_assets.storage.atomic import write_atomically
from ml_assets.storage.exclusive import alone

# Names and scopes are nobody else's business, though the hashes open nothing.
OWNER_ONLY = 0o077


@dataclass(frozen=True)
class KeyStore:
    """The keys of a workspace. A server reads the file again whenever it changes.

    Attributes:
        folder: Folder of the file; it is created with the first key.
    """

    folder: Path

    @property
    def path(self) -> Path:
        """The file itself."""
        return self.folder / KEYS_FILE

    def ring(self) -> KeyRing:
        """Return all keys; none if no key was ever made.

        Raises:
            ServingError: If the file is damaged.
        """
        try:
            return KeyRing.from_json(self.path.read_bytes())
        except FileNotFoundError:
            return KeyRing()

    def create(self, name: str, scopes: Sequence[str], *, expires: datetime | None = None) -> str:
        """Make a key and return its secret, which is kept nowhere.

        Raises:
            ServingError: If the name is taken or unfit, or a scope is unknown.
        """
        check_name(name)
        secret = secret_of(secrets.token_bytes(SECRET_BYTES))
        created = datetime.now(tz=UTC)
        key = ApiKey(name, digest_of_secret(secret), checked_scopes(scopes), created, expires)
        with alone(self.folder):
            self._write(self.ring().with_key(key))
        return secret

    def revoke(self, name: str) -> None:
        """Let the key of this name open nothing any more.

        Raises:
            ServingError: If there is none.
        """
        with alone(self.folder):
            self._write(self.ring().without(name, at=datetime.now(tz=UTC)))

    def _write(self, ring: KeyRing) -> None:
        before = os.umask(OWNER_ONLY)
        try:
            write_atomically(self.path, ring.to_json().encode())
        finally:
            os.umask(before)
