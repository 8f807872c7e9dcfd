"""What a release knows of its own errors, and what is said beside its predictions."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from ml_assets.core.conformal import (
    Intervals,
    intervals_from_json,
)
from ml_assets.core.corrections import (
    Bounds,
)
from ml_assets.core.familiarity import Familiarity
from ml_assets.core.problem.assurance import Unfamiliar


@dataclass(frozen=True)
class Assurance:
    """What a release knows of its own errors and of its training rows.

    Attributes:
        intervals: Of its predictions; None without any.
        familiarity: Of a row; None if it is not looked for.
        unfamiliar: What happens to a row that is not.
        bounds: Of interventions.
    """

    intervals: Intervals | None
    familiarity: Familiarity | None
    unfamiliar: Unfamiliar
    bounds: Bounds

    def to_json(self) -> bytes:
        """Return the file of the release."""
        values = {
            "intervals": self.intervals.to_json() if self.intervals else None,
            "familiarity": self.familiarity.to_json() if self.familiarity else None,
            "unfamiliar": self.unfamiliar,
            "bounds": asdict(self.bounds),
        }
        return json.dumps(values, allow_nan=False).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Build the assurance that ``to_json`` described."""
        values = json.loads(content)
        intervals, familiarity = values["intervals"], values["familiarity"]
        return cls(
            intervals=None if intervals is None else intervals_from_json(intervals),
            familiarity=None if familiarity is None else Familiarity.from_json(familiarity),
            unfamiliar=values["unfamiliar"],
            bounds=Bounds(**values["bounds"]),
        )


@dataclass(frozen=True)
class AssuredRows:
    """What is said beside the predictions of a request, as plain Python values, one a row.

    Attributes:
        intervals: Lower and upper bound; None without intervals of numbers.
        sets: Classes in each row's set; None without sets.
        unfamiliar: Whether the row is far from the training rows; None if that is not looked for.
        raw: What the model itself said, where something was changed; else None.
        raw_probabilities: The same for its probabilities.
        intervention: Name of what is in force; None if nothing is.
    """

    intervals: list[list[float]] | None = None
    sets: list[list[Any]] | None = None
    unfamiliar: list[bool] | None = None
    raw: list[Any] | None = None
    raw_probabilities: list[list[float]] | None = None
    intervention: str | None = None

    def rows(self, start: int, end: int) -> Self:
        """Return the same for some of the rows."""
        if start == 0 and all(len(one) == end for one in self._lists().values()):
            return self
        return replace(self, **{name: one[start:end] for name, one in self._lists().items()})

    def merged(self, other: Self, heard: Sequence[bool]) -> Self:
        """Return what both say, each row by whom it was answered; what one does not say is left."""
        mine, theirs = self._lists(), other._lists()
        lists = {
            name: [
                b if mark else a for a, b, mark in zip(mine[name], theirs[name], heard, strict=True)
            ]
            for name in mine
            if name in theirs
        }
        return type(self)(**lists, intervention=self.intervention)

    def _lists(self) -> dict[str, Any]:
        return {name: one for name, one in vars(self).items() if type(one) is list}
