"""What the tests of one column say about one stretch of production."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ml_assets.core.histograms import CategoryBins, ColumnCounts, WindowCounts
from ml_assets.core.problem import Monitoring
from ml_assets.core.reference import ColumnReference, Role, is_constant

Kind = Literal["shift", "missing_rate", "unseen_category", "absent_column", "frozen_column"]

MIN_EFFECTIVE_ROWS = 100
MIN_RATE_CHANGE = 0.01
MIN_UNSEEN_SHARE = 0.005
BLATANT_P = 1e-7
BLATANT_EFFECT = 2  # times the smallest change that counts
LATE: tuple[Role, ...] = ("residual", "absolute_residual")  # known only once the truth is


@dataclass(frozen=True)
class Finding:
    """One property of one column, tested over one length.

    Attributes:
        column: Name of the column.
        role: What the column is to the model.
        kind: What may have changed.
        scale: Length, in windows.
        p_value: Chance of this without drift, corrected for the tests of the column.
        effect: Size: standard deviations for a shift, else the change of a share of rows.
        bound: Smallest size that counts.
        effective_rows: Rows, less what neighbours in time have in common.
        is_significant: Whether it stands out among all columns.
    """

    column: str
    role: Role
    kind: Kind
    scale: int
    p_value: float
    effect: float
    bound: float
    effective_rows: float
    is_significant: bool = False

    @property
    def is_hot(self) -> bool:
        """Whether it stands out and is large enough to matter."""
        return self.is_significant and abs(self.effect) >= self.bound

    @property
    def is_blatant(self) -> bool:
        """Whether it is so clear in one window that a second need not be waited for."""
        far = abs(self.effect) >= BLATANT_EFFECT * self.bound
        return self.is_significant and self.scale == 1 and self.p_value < BLATANT_P and far


def plain_fault(
    name: str, column: ColumnReference, window: WindowCounts, monitoring: Monitoring
) -> Finding | None:
    """Return a fault that one window proves: the column is not there, is empty or stands still."""
    if window.rows < monitoring.min_rows:
        return None
    counts = window.columns.get(name)
    rows = float(window.rows)
    chance = 0.0
    kind: Kind = "frozen_column"
    if counts is None or counts.rows == 0:
        kind = "absent_column"
    elif counts.present == 0:
        chance = 1.0 if column.was_empty else 0.0
    else:
        rows = counts.present / column.test.design_effect
        stands_still = is_constant(counts) and not column.was_constant
        chance = column.largest_share**rows if stands_still else 1.0
    if chance > BLATANT_P or (column.role in LATE and (counts is None or counts.present == 0)):
        return None
    return Finding(
        column=name,
        role=column.role,
        kind=kind,
        scale=1,
        p_value=chance,
        effect=1.0,
        bound=MIN_RATE_CHANGE,
        effective_rows=rows,
        is_significant=True,
    )


def column_findings(
    name: str, column: ColumnReference, counts: ColumnCounts, *, scale: int, monitoring: Monitoring
) -> list[Finding]:
    """Test one column over one length.

    Returns:
        One finding a test, not yet compared with other columns; none where there are too few rows
        or too few effective rows, or where the values have not come yet.
    """
    tested = [*_rate_tests(column, counts, monitoring), *_value_tests(column, counts, monitoring)]
    return [
        Finding(
            column=name,
            role=column.role,
            kind=kind,
            scale=scale,
            p_value=min(1.0, len(tested) * p_value),
            effect=effect,
            bound=bound,
            effective_rows=rows,
        )
        for kind, p_value, effect, bound, rows in tested
    ]


_Test = tuple[Kind, float, float, float, float]  # kind, p-value, effect, bound, effective rows


def _value_tests(
    column: ColumnReference, counts: ColumnCounts, monitoring: Monitoring
) -> Iterator[_Test]:
    rows = counts.present / column.test.design_effect
    if counts.present < monitoring.min_rows or rows < MIN_EFFECTIVE_ROWS:
        return
    p_value, effect = column.test.p_value(counts.bins), column.test.effect(counts.bins)
    yield "shift", p_value, effect, monitoring.min_effect, rows
    if isinstance(column.bins, CategoryBins) and column.bins.complete:
        unseen = int(counts.bins[-1])
        p_value = column.chance_of_unseen(unseen, counts.present)
        yield "unseen_category", p_value, unseen / counts.present, MIN_UNSEEN_SHARE, rows


def _rate_tests(
    column: ColumnReference, counts: ColumnCounts, monitoring: Monitoring
) -> Iterator[_Test]:
    rows = counts.rows / column.missing_test.dispersion
    if column.role in LATE or counts.rows < monitoring.min_rows or rows < MIN_EFFECTIVE_ROWS:
        return
    p_value = column.missing_test.p_value(counts.missing, counts.rows)
    change = column.missing_test.change(counts.missing, counts.rows)
    yield "missing_rate", p_value, change, MIN_RATE_CHANGE, rows
