"""The outcome of the gates, as plain values."""

from dataclasses import dataclass
from math import isfinite
from typing import Any


@dataclass(frozen=True, kw_only=True)
class GateRow:
    """One gate: its bound in words, what was observed, and whether that passes."""

    gate: str
    bound: str
    observed: float | None
    low: float | None = None
    high: float | None = None
    passed: bool
    explanation: str = ""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What follows from the gates.

    Attributes:
        promote: Whether the model may serve.
        model: Which model was weighed.
        reason: Why, in one sentence.
        rows: All gates, in the order they were asked.
    """

    promote: bool
    model: str
    reason: str
    rows: tuple[GateRow, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values; None where a number is not finite.

        Example:
            >>> row = GateRow(gate="evidence", bound=">= 9", observed=float("inf"), passed=True)
            >>> Decision(promote=True, model="m", reason="", rows=(row,)).to_json()["rows"][0]
            {'gate': 'evidence', 'bound': '>= 9', 'observed': None, 'low': None, 'high': None, \
'passed': True, 'explanation': ''}
        """
        rows = [{name: _finite(value) for name, value in vars(row).items()} for row in self.rows]
        return {"promote": self.promote, "model": self.model, "reason": self.reason, "rows": rows}


def _finite(value: str | float | None) -> str | float | None:
    return None if isinstance(value, float) and not isfinite(value) else value
