"""Which values the columns of a request may hold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.core.arrow_columns import values_in
from ml_assets.core.contract import Column, Kind
from ml_assets.core.request_rows import FLOATS, INTEGERS, Fault

_WIDEST: Mapping[Kind, tuple[float, float]] = {"integer": INTEGERS, "float": FLOATS}
_IN_MEMORY: Mapping[Kind, type[np.generic]] = {"integer": np.int64, "float": np.float64}


@dataclass(frozen=True)
class Rule:
    """Which values a column may hold.

    Attributes:
        name: Name of the column.
        kind: Kind of its values.
        low: Smallest value; None where any is small enough.
        high: Largest value.
        allowed: The only values; None where any is allowed.
    """

    name: str
    kind: Kind
    low: float | None
    high: float | None
    allowed: tuple[str | int | float | bool, ...] | None

    @classmethod
    def of_column(cls, column: Column, *, only_listed: bool) -> Self:
        """Return a column's rule.

        Args:
            column: Of the contract.
            only_listed: Whether the values that the contract lists are the only ones.
        """
        low, high = _WIDEST.get(column.kind, (None, None))
        return cls(
            column.name,
            column.kind,
            low if column.at_least is None else column.at_least,
            high if column.at_most is None else column.at_most,
            column.allowed if only_listed else None,
        )

    @property
    def is_bounds(self) -> bool:
        """Whether ``bounded`` says all of it."""
        unbounded = self.low is None and self.high is None
        return self.allowed is None and (unbounded or self._exact)

    @property
    def _exact(self) -> bool:
        """Whether the bounds are numbers of the column's own type."""
        if self.kind not in _WIDEST:
            return False
        low, high = _WIDEST[self.kind]
        own = float if self.kind == "float" else int
        return all(
            bound is not None and low <= bound <= high and own(bound) == bound
            for bound in (self.low, self.high)
        )

    def bounded(self, kind: Any) -> Any:  # noqa: ANN401 - any type that msgspec reads
        """Return the column's type within the bounds, or as it is if they are not exact in it."""
        if not self._exact or self.low is None or self.high is None:
            return kind
        own = float if self.kind == "float" else int
        return Annotated[kind, msgspec.Meta(ge=own(self.low), le=own(self.high))]

    def holds_in(self, column: pa.ChunkedArray) -> bool:
        """Say whether no value of a table's column breaks the rule."""
        if self.allowed is not None:
            found = column.unique()
            return self.holds(found.to_pylist())
        if self.low is None and self.high is None:
            return True
        if self.kind in _IN_MEMORY and not column.null_count:
            parts = values_in(column, _IN_MEMORY[self.kind])
            return self.holds([end for part in parts for end in (part.min(), part.max())])
        ends = pc.min_max(column)  # pyrefly: ignore[missing-attribute]
        return self.holds([ends["min"].as_py(), ends["max"].as_py()])

    def holds(self, values: Sequence[Any]) -> bool:
        """Say whether no value breaks the rule."""
        if self.allowed is not None and not {*self.allowed, None}.issuperset(values):
            return False
        try:
            return self._within(values)
        except TypeError:  # a value is missing
            return self._within([value for value in values if value is not None])

    def _within(self, values: Sequence[Any]) -> bool:
        return not values or (
            (self.low is None or min(values) >= self.low)
            and (self.high is None or max(values) <= self.high)
        )

    def broken(self, values: Sequence[Any]) -> Iterator[Fault]:
        """Yield one fault a value outside."""
        for position, value in enumerate(values):
            if value is None:
                continue
            if self.low is not None and value < self.low:
                message = f"{self.name!r} is {value}, below the smallest allowed value {self.low}."
                yield Fault(position, self.name, "at_least", message)
            elif self.high is not None and value > self.high:
                message = f"{self.name!r} is {value}, above the largest allowed value {self.high}."
                yield Fault(position, self.name, "at_most", message)
            elif self.allowed is not None and value not in self.allowed:
                listed = ", ".join(map(repr, self.allowed))
                message = f"{self.name!r} is {value!r}; allowed are {listed}."
                yield Fault(position, self.name, "allowed", message)
