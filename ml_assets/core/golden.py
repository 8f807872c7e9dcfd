"""Golden rows: questions whose answers are known, asked before a release may serve."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ml_assets.core.contract import Column, Contract, Kind
from ml_assets.core.errors import ServingError
from ml_assets.core.request_rows import EVENT_TIME

if TYPE_CHECKING:  # the server reads golden rows without pandas
    import pandas as pd

# A nullable integer comes as a float from a frame; a request takes integers only.
_PLAIN: Mapping[Kind, Callable[[Any], Any]] = {
    "float": float,
    "integer": int,
    "string": str,
    "boolean": bool,
    "datetime": lambda moment: moment.isoformat(),
}
# Linear algebra differs in its last places with the number of rows; more is another model.
LARGEST_TOLERANCE = 1e-9


@dataclass(frozen=True)
class GoldenRows:
    """Request rows with the answers that the batch gave.

    The rows should be among the newest of the release's history: then they have the same past
    whether they are asked one by one or together.

    Attributes:
        rows: Rows as a request holds them, each with its ``event_time``.
        predictions: The answer to each.
        probabilities: One row a request row, in the order of the release's classes; None for a
            regression and for classifiers without probabilities.
        tolerance: Largest relative difference of a number that counts as equal. 0 where one row
            and many give the same bits, as trees do.
    """

    rows: tuple[dict[str, Any], ...]
    predictions: tuple[Any, ...]
    probabilities: tuple[tuple[float, ...], ...] | None = None
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if not self.rows or len(self.rows) != len(self.predictions):
            message = (
                f"Golden rows need an answer each; found {len(self.rows)} rows and "
                f"{len(self.predictions)} answers."
            )
            raise ServingError(message)
        if not 0 <= self.tolerance <= LARGEST_TOLERANCE:
            message = (
                f"The tolerance of golden rows is at most {LARGEST_TOLERANCE}; found "
                f"{self.tolerance}: the model answers one row otherwise than many."
            )
            raise ServingError(message)

    def to_json(self) -> bytes:
        """Return the content of golden.json; floats keep every digit."""
        values = {
            "rows": self.rows,
            "predictions": self.predictions,
            "probabilities": self.probabilities,
            "tolerance": self.tolerance,
        }
        return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Build the golden rows that ``to_json`` described."""
        values = json.loads(content)
        probabilities = values["probabilities"]
        return cls(
            tuple(values["rows"]),
            tuple(values["predictions"]),
            None if probabilities is None else tuple(tuple(row) for row in probabilities),
            values["tolerance"],
        )

    def difference(
        self,
        predictions: Sequence[Any],
        probabilities: Sequence[Sequence[float]] | None,
        *,
        first: int = 0,
    ) -> str | None:
        """Return what differs from the expected answers, or None if nothing does.

        Args:
            predictions: Answers to consecutive golden rows.
            probabilities: Their probabilities, where the model has them.
            first: Position of the first of these rows.
        """
        for n, value in enumerate(predictions):
            expected = self.predictions[first + n]
            if not _equal(value, expected, self.tolerance):
                return f"golden row {first + n}: expected {expected!r}, answered {value!r}"
        if (probabilities is None) != (self.probabilities is None):
            return "probabilities are given on one side only"
        for n, row in enumerate(probabilities or ()):
            wanted = (self.probabilities or ())[first + n]
            same = [_equal(p, q, self.tolerance) for p, q in zip(row, wanted, strict=True)]
            if not all(same):
                return f"golden row {first + n}: expected {list(wanted)}, answered {list(row)}"
        return None


def request_rows(rows: "pd.DataFrame", contract: Contract) -> tuple[dict[str, Any], ...]:
    """Return validated rows as a request holds them.

    Args:
        rows: The contract's columns and ``event_time``.
        contract: Columns of a request.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"event_time": pd.to_datetime(["2024-01-01"], utc=True), "n": [1]})
        >>> request_rows(frame, Contract((Column("n", "integer"),)))
        ({'n': 1, 'event_time': '2024-01-01T00:00:00+00:00'},)
    """
    columns = {column.name: column for column in contract.columns}
    columns[EVENT_TIME] = Column(EVENT_TIME, "datetime")
    plain = {
        name: [
            None if missing else _PLAIN[column.kind](value)
            for value, missing in zip(rows[name], rows[name].isna(), strict=True)
        ]
        for name, column in columns.items()
    }
    return tuple(dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True))


def tolerance_between(one_by_one: np.ndarray, together: np.ndarray) -> float:
    """Return the tolerance that answers to single rows need, from how far they are from a batch.

    Args:
        one_by_one: Numbers answered when each row was asked alone.
        together: Numbers answered when all rows were asked at once, of the same shape.

    Returns:
        0 if both are the same bits, else ten times the largest relative difference.

    Example:
        >>> tolerance_between(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
        0.0
    """
    if np.array_equal(one_by_one, together):
        return 0.0
    scale = np.maximum(np.maximum(np.abs(one_by_one), np.abs(together)), np.finfo(float).tiny)
    return float(10 * np.max(np.abs(one_by_one - together) / scale))


def _equal(value: Any, expected: Any, tolerance: float) -> bool:  # noqa: ANN401
    numbers = all(isinstance(v, float) for v in (value, expected))
    if not numbers or tolerance == 0:
        return type(value) is type(expected) and value == expected
    return abs(value - expected) <= tolerance * max(abs(value), abs(expected), 1.0)
