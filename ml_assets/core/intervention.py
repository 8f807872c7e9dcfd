"""An intervention: a correction that is in force from one moment to another."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from ml_assets.core.corrections import (
    Bounds,
    Correction,
    correction_from_json,
    correction_to_json,
)
from ml_assets.core.errors import ServingError


@dataclass(frozen=True)
class Intervention:
    """What is done at once to the answers of one version, until it ends by itself.

    Attributes:
        id: Names it in answers, in the log and in the ledger.
        correction: What is done.
        began: When it was decided, in UTC.
        ends: When it ends by itself, at the latest.
        since: Event time of the newest rows that the decision knew of; the same as ``began`` where
            the world is answered as it happens, and long ago where history is replayed.
        reason: Why, for people.
    """

    id: str
    correction: Correction
    began: datetime
    ends: datetime
    since: datetime
    reason: str

    def is_over(self, now: datetime) -> bool:
        """Whether it has ended by itself."""
        return now >= self.ends

    def check(self, bounds: Bounds) -> None:
        """Refuse what goes further than was declared.

        Raises:
            ServingError: If it does.
        """
        fault = self.correction.fault(bounds)
        if fault is not None:
            message = (
                f"Intervention {self.id} is refused: {fault}. The bounds are part of the release: "
                "declare other ones in serving.interventions and promote again."
            )
            raise ServingError(message)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "id": self.id,
            "correction": correction_to_json(self.correction),
            "began": self.began.isoformat(),
            "ends": self.ends.isoformat(),
            "since": self.since.isoformat(),
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Build the intervention that ``to_json`` described.

        Raises:
            ServingError: If it describes none.
        """
        try:
            moments = [datetime.fromisoformat(values[name]) for name in ("began", "ends", "since")]
            began, ends, since = moments
            made = cls(
                values["id"],
                correction_from_json(values["correction"]),
                began,
                ends,
                since,
                values["reason"],
            )
        except (KeyError, TypeError, ValueError) as error:
            message = f"This is no intervention ({type(error).__name__}: {error}); it is refused."
            raise ServingError(message) from error
        if any(moment.utcoffset() is None for moment in moments) or not ends > began:
            message = f"An intervention ends after it began, in UTC; found {moments}."
            raise ServingError(message)
        return made
