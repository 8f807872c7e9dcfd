"""The name and the origin of a fitted model: all it takes to fit it again."""

import json
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Self

from ml_assets.core.training import Configuration


@dataclass(frozen=True)
class ModelVersion:
    """A fitted model and where it came from.

    Attributes:
        problem: Name of the problem.
        cutoff: Nothing known after it was used.
        configuration: What was fitted.
        recipe: Table versions of the training set.
        features_digest: Fingerprint of features.sql.
        code_version: Version of this package.
        seed: Seed of the fit.
        rows: Rows it was fitted on.
    """

    problem: str
    cutoff: datetime
    configuration: Configuration
    recipe: dict[str, Any]
    features_digest: str
    code_version: str
    seed: int
    rows: int

    @property
    def name(self) -> str:
        """Name of the version: cutoff, configuration and a fingerprint of everything else."""
        canonical = json.dumps(self.to_json(), sort_keys=True)
        fingerprint = sha256(canonical.encode()).hexdigest()[:8]
        return f"{self.cutoff:%Y%m%dT%H%M}-{self.configuration.name}-{fingerprint}"

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "problem": self.problem,
            "cutoff": self.cutoff.isoformat(),
            "configuration": self.configuration.to_json(),
            "recipe": self.recipe,
            "features_digest": self.features_digest,
            "code_version": self.code_version,
            "seed": self.seed,
            "rows": self.rows,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Build the version that ``to_json`` described."""
        plain: dict[str, Any] = {
            **values,
            "cutoff": datetime.fromisoformat(values["cutoff"]),
            "configuration": Configuration.from_json(values["configuration"]),
        }
        return cls(**plain)
