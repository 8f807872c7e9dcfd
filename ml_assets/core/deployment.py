"""Which release serves a problem: one small value, replaced as a whole."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Self

from ml_assets.core.errors import ServingError

DEPLOYMENT_FILE = "deployment.json"


@dataclass(frozen=True)
class Deployment:
    """What the serving process of one problem must serve.

    Attributes:
        problem: Name of the problem.
        revision: Number of the change, from 1; a higher one replaces a lower one.
        champion: Digest of the artefact that serves.
        champion_version: Name of that version in the ledger.
        release_folder: Absolute path of the verified files of the release.
        at: Moment of the decision, in UTC.
        reason: Why this version serves.

    Example:
        >>> at = datetime(2024, 1, 1, tzinfo=UTC)
        >>> deployment = Deployment("plant", 1, "ab12", "2024-01-01", "/releases/ab12", at, "first")
        >>> Deployment.from_json(deployment.to_json()) == deployment
        True
    """

    problem: str
    revision: int
    champion: str
    champion_version: str
    release_folder: str
    at: datetime
    reason: str

    def __post_init__(self) -> None:
        if self.revision < 1:
            message = f"A deployment's revision counts from 1; found {self.revision}."
            raise ServingError(message)
        if self.at.utcoffset() is None:
            message = f"A deployment's moment needs a time zone; found {self.at!r}."
            raise ServingError(message)
        object.__setattr__(self, "at", self.at.astimezone(UTC))

    def to_json(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        return {**asdict(self), "at": self.at.isoformat()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Build the deployment that ``to_json`` described.

        Raises:
            ServingError: If a field is missing, unknown or of another type. An unknown field is
                refused, because a server that ignored it could serve the wrong release.
        """
        expected = {field.name for field in fields(cls)}
        if set(values) != expected:
            message = (
                f"A deployment has the fields {sorted(expected)}; found {sorted(values)}. "
                "Write it with the same version of the code that reads it."
            )
            raise ServingError(message)
        for name in expected:
            kind = int if name == "revision" else str
            if type(values[name]) is not kind:
                message = f"{name} of a deployment is {kind.__name__}; found {values[name]!r}."
                raise ServingError(message)
        try:
            at = datetime.fromisoformat(values["at"])
        except ValueError as error:
            message = f"at of a deployment is an ISO 8601 moment; found {values['at']!r}."
            raise ServingError(message) from error
        plain = {name: values[name] for name in expected - {"at"}}
        return cls(at=at, **plain)
