"""The file of keys as the server sees it: read again whenever it changes."""

from datetime import UTC, datetime
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import Scope as AsgiScope

from bentos.predictor.body import Unacceptable
from bentos.predictor.caller import is_local, secret_of_request
from ml_assets.core.api_keys import ApiKey, KeyRing, Scope
from ml_assets.core.errors import ServingError

OPEN = frozenset({"/livez", "/readyz"})
# Everything else tells how the server is made and used: no caller that only predicts needs it.
SCOPES: dict[str, Scope] = {"/predict": "predict", "/feedback": "feedback"}
# What a caller needs to know in order to ask: any key opens it.
DESCRIPTIONS = frozenset({"/", "/openapi.json"})
RETRY_SECONDS = "10"


class Guard:
    """Lets through who may ask.

    While there is no key, requests from this machine are let through and no others. As soon as
    there is one, everything but the probes needs a key, from wherever it is asked.

    Args:
        path: File of keys; None if there is none for good.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._ring: KeyRing | None = KeyRing()

    def ring(self) -> KeyRing:
        """Return the keys as they are now.

        Raises:
            Unacceptable: If the file cannot be read. What was read before is not used: a key that
                was revoked since could be among it.
        """
        if self._path is None:
            return KeyRing()
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen != self._seen:
                self._ring = None
                self._ring = KeyRing.from_json(self._path.read_bytes())
                self._seen = seen
        except FileNotFoundError:
            self._seen, self._ring = None, KeyRing()
        except (OSError, ServingError) as error:
            self._seen = None
            message = "The server cannot read its keys; its operator has to mend that."
            raise Unacceptable(503, message, {"retry-after": RETRY_SECONDS}) from error
        return self._ring or KeyRing()

    def admit(self, scope: AsgiScope) -> ApiKey | None:
        """Return the caller's key, or None where none is needed.

        Raises:
            Unacceptable: With 401 if a key is needed and no usable one is given, 403 if the key
                does not open this path. Neither says which keys there are, or why one is refused.
        """
        path = scope["path"]
        if path in OPEN:
            return None
        ring = self.ring()
        if not ring.keys and is_local(scope):
            return None
        secret = secret_of_request(Headers(scope=scope))
        key = None if secret is None else ring.find(secret, now=datetime.now(UTC))
        if key is None:
            raise Unacceptable(401, "This needs a key.")
        if path not in DESCRIPTIONS and SCOPES.get(path, "admin") not in key.scopes:
            raise Unacceptable(403, "The key does not open this.")
        return key
