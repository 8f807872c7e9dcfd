"""Which releases serve a problem: one small value, replaced as a whole."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal, Self, get_args

from ml_assets.core.errors import ServingError

DEPLOYMENT_FILE = "deployment.json"

Mode = Literal["champion", "canary", "ab", "shadow"]
# Named only while a second version is in traffic, so that a champion alone reads as ever.
TRAFFIC = ("mode", "challenger", "share", "shadow", "experiment", "routing_key")


@dataclass(frozen=True)
class DeployedVersion:
    """A version beside the champion.

    Attributes:
        version: Name in the ledger.
        digest: Digest of the artefact.
        release_folder: Absolute path of the verified files of the release.
    """

    version: str
    digest: str
    release_folder: str


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
        mode: ``champion``: it answers alone. ``canary`` and ``ab``: the challenger answers a share.
            ``shadow``: the champion answers, the shadow's answers are only logged.
        challenger: Answers ``share`` of the keys, in the modes ``canary`` and ``ab``.
        share: Part of the keys that the challenger answers, above 0 and up to 1.
        shadow: Answers everything unheard, in the mode ``shadow``.
        experiment: Name of the comparison; it salts the routing, so that it is not another's.
        routing_key: Columns of a request's row that choose who answers; see ``routing``.

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
    mode: Mode = "champion"
    challenger: DeployedVersion | None = None
    share: float = 0.0
    shadow: DeployedVersion | None = None
    experiment: str = ""
    routing_key: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.revision < 1:
            message = f"A deployment's revision counts from 1; found {self.revision}."
            raise ServingError(message)
        if self.at.utcoffset() is None:
            message = f"A deployment's moment needs a time zone; found {self.at!r}."
            raise ServingError(message)
        object.__setattr__(self, "at", self.at.astimezone(UTC))
        self._check_traffic()

    @property
    def contender(self) -> DeployedVersion | None:
        """The version that is compared with the champion, whether it is heard or not."""
        return self.challenger or self.shadow

    def to_json(self) -> dict[str, Any]:
        """Return plain values for a JSON file; without a contender, no field speaks of traffic."""
        values = {**asdict(self), "at": self.at.isoformat(), "routing_key": list(self.routing_key)}
        if self.mode == "champion":
            return {name: value for name, value in values.items() if name not in TRAFFIC}
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Build the deployment that ``to_json`` described.

        Raises:
            ServingError: If a field is missing, unknown or of another type. An unknown field is
                refused, because a server that ignored it could serve the wrong release.
        """
        every = {field.name for field in fields(cls)}
        expected = every if "mode" in values else every - set(TRAFFIC)
        if set(values) != expected:
            message = (
                f"A deployment has the fields {sorted(expected)}; found {sorted(values)}. "
                "Write it with the same version of the code that reads it."
            )
            raise ServingError(message)
        plain = dict(values)
        for name in ("challenger", "shadow"):
            plain[name] = _version(name, values.get(name))
        kinds = {"revision": int, "share": float, "routing_key": list}
        for name in expected - {"challenger", "shadow"}:
            kind = kinds.get(name, str)
            if type(values[name]) is not kind:
                message = f"{name} of a deployment is {kind.__name__}; found {values[name]!r}."
                raise ServingError(message)
        if not all(isinstance(column, str) for column in values.get("routing_key", ())):
            message = f"routing_key of a deployment names columns; found {values['routing_key']!r}."
            raise ServingError(message)
        plain["routing_key"] = tuple(values.get("routing_key", ()))
        try:
            plain["at"] = datetime.fromisoformat(values["at"])
        except ValueError as error:
            message = f"at of a deployment is an ISO 8601 moment; found {values['at']!r}."
            raise ServingError(message) from error
        return cls(**plain)

    def _check_traffic(self) -> None:
        if self.mode not in get_args(Mode):
            message = f"mode of a deployment is one of {get_args(Mode)}; found {self.mode!r}."
            raise ServingError(message)
        split = self.mode in {"canary", "ab"}
        wrong = None
        if split != (self.challenger is not None):
            wrong = "a challenger belongs to the modes 'canary' and 'ab'"
        elif (self.mode == "shadow") != (self.shadow is not None):
            wrong = "a shadow belongs to the mode 'shadow'"
        elif not (0 < self.share <= 1 if split else self.share == 0):
            wrong = "share is above 0 and at most 1 where a challenger answers, and 0 elsewhere"
        elif (self.mode == "champion") != (self.experiment == ""):
            wrong = "a version beside the champion belongs to a named experiment"
        if wrong is not None:
            message = f"{wrong}; found mode {self.mode!r}, share {self.share}."
            raise ServingError(message[0].upper() + message[1:])


def _version(name: str, values: object) -> DeployedVersion | None:
    if values is None:
        return None
    expected = {field.name for field in fields(DeployedVersion)}
    if (
        not isinstance(values, Mapping)
        or set(values) != expected
        or not all(isinstance(value, str) for value in values.values())
    ):
        message = f"{name} of a deployment has the texts {sorted(expected)}; found {values!r}."
        raise ServingError(message)
    return DeployedVersion(**{str(key): str(value) for key, value in values.items()})
