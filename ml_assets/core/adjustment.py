"""What running servers add to a release between two deployments: one small file beside it.

It holds the quantiles that intervals have now and the intervention that is in force. A server
believes it only if it is whole, is about the release that serves, is newer than what it knows, and
stays within the bounds that the release itself declares: whoever writes the file can do no more to
the answers than was declared and packed.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import isfinite
from typing import Any, Self

from ml_assets.core.errors import ServingError
from ml_assets.core.intervention import Intervention

ADJUSTMENT_FILE = "adjustment.json"
_FIELDS = (
    "problem",
    "version",
    "release",
    "sequence",
    "at",
    "quantiles",
    "intervention",
    "corrected_quantiles",
)
# Lower and upper quantile of intervals; the lower one is None for classes.
Quantiles = tuple[float | None, float]


@dataclass(frozen=True)
class Adjustment:
    """How the answers of one release are adjusted.

    Attributes:
        problem: Name of the problem.
        version: Version that it is about.
        release: Digest of the release that it is about.
        sequence: Number of the change, from 1; a higher one replaces a lower one.
        at: When it was made, in UTC.
        quantiles: Of intervals, while nothing is in force; None where the release's own hold.
        intervention: What is in force; None if nothing is.
        corrected_quantiles: Of intervals around what is said while it is.
    """

    problem: str
    version: str
    release: str
    sequence: int
    at: datetime
    quantiles: Quantiles | None = None
    intervention: Intervention | None = None
    corrected_quantiles: Quantiles | None = None

    def to_json(self) -> str:
        """Return the text of the file, its own digest included."""
        values: dict[str, Any] = {
            **{name: getattr(self, name) for name in _FIELDS},
            "at": self.at.isoformat(),
            "intervention": None if self.intervention is None else self.intervention.to_json(),
        }
        return json.dumps({**values, "sha256": _digest(values)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Build the adjustment that ``to_json`` described.

        Raises:
            ServingError: If the text is none, or was changed.
        """
        try:
            values = json.loads(text)
            told = values.pop("sha256")
            if told != _digest(values):
                message = f"{ADJUSTMENT_FILE} is not what was written: its digest differs."
                raise ServingError(message)
            found = values["intervention"]
            plain: dict[str, Any] = {
                **values,
                **{name: _pair(values[name]) for name in ("quantiles", "corrected_quantiles")},
                "at": datetime.fromisoformat(values["at"]),
                "intervention": None if found is None else Intervention.from_json(found),
            }
            made = cls(**plain)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = (
                f"{ADJUSTMENT_FILE} is no adjustment ({type(error).__name__}). The next run of "
                "monitoring writes it again."
            )
            raise ServingError(message) from error
        made._check()
        return made

    def in_force(self, release: str, now: datetime) -> Self | None:
        """Return what a release's answers are adjusted by at a moment; None if by nothing."""
        if self.release != release:
            return None
        over = self.intervention is not None and self.intervention.is_over(now)
        return self.without_intervention() if over else self

    def without_intervention(self) -> Self:
        """Return the same with nothing in force."""
        return replace(self, intervention=None, corrected_quantiles=None)

    def _check(self) -> None:
        kinds = {"problem": str, "version": str, "release": str, "sequence": int}
        wrong = [name for name, kind in kinds.items() if type(getattr(self, name)) is not kind]
        if wrong:
            message = f"{ADJUSTMENT_FILE} holds values of another type: {wrong}."
            raise ServingError(message)
        for pair in (self.quantiles, self.corrected_quantiles):
            _check_quantiles(pair)


def _pair(values: Any) -> Quantiles | None:  # noqa: ANN401
    if values is None:
        return None
    low, high = values
    return low, high


def _check_quantiles(pair: Quantiles | None) -> None:
    if pair is None:
        return
    low, high = pair
    known = [one for one in pair if one is not None]
    if not all(type(one) is float and isfinite(one) for one in known) or (
        high is None or (low is not None and low > high)
    ):
        message = f"{ADJUSTMENT_FILE} has quantiles from {low} to {high}."
        raise ServingError(message)


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
