"""What the tests of one column say about one stretch of production."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ml_assets.core.column_reference import LATE, ColumnReference, Role, is_constant
from ml_assets.core.false_alarms import LEANING, TELLING, Group, Levels
from ml_assets.core.histograms import CategoryBins, WindowCounts
from ml_assets.core.problem import Monitoring

Kind = Literal[
    "shift",
    "missing_rate",
    "unseen_category",
    "absent_column",
    "dead_column",
    "frozen_column",
    "unit_change",
]

MIN_EFFECTIVE_ROWS = 100
MIN_RATE_CHANGE = 0.01
MIN_UNSEEN_SHARE = 0.005
PROOF = 1e-7  # chance below which a column that stands still is broken
BLATANT_EFFECT = 2  # times the smallest change that counts


@dataclass(frozen=True)
class Finding:
    """One property of one column, tested over one length.

    Attributes:
        column: Name of the column.
        role: What the column is to the model.
        kind: What may have changed.
        scale: Length, in windows.
        p_value: Chance of this without drift, in this test alone.
        effect: Size: standard deviations for a shift, else the change of a share of rows.
        bound: Smallest size that counts.
        effective_rows: Rows, less what neighbours in time have in common.
        is_significant: Whether it is rarer than the budget of false alarms allows.
        is_blatant: Whether it is so clear in one window that a second need not be waited for.
        detail: What else is known, such as the conversion that explains a change of unit.
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
    is_blatant: bool = False
    detail: str = ""

    @property
    def is_hot(self) -> bool:
        """Whether it stands out and is large enough to matter."""
        return self.is_significant and abs(self.effect) >= self.bound

    @property
    def is_leaning(self) -> bool:
        """Whether it is at least a hint: what a second window must show."""
        return self.p_value <= LEANING


def plain_fault(
    name: str, column: ColumnReference, window: WindowCounts, monitoring: Monitoring
) -> Finding | None:
    """Return a fault that one window proves: the column is not there, is empty or stands still."""
    if window.rows < monitoring.min_rows:
        return None
    counts = window.columns.get(name)
    chance, rows = 0.0, float(window.rows)
    kind: Kind = "frozen_column"
    if counts is None or counts.rows == 0:
        kind = "absent_column"
    elif counts.present == 0:
        kind = "dead_column"
        chance = 1.0 if column.was_empty else 0.0
    else:
        rows = float(counts.present / column.test.design_effect())
        stands_still = is_constant(counts) and not column.was_constant
        share = column.largest_share
        chance = column.test.spread.chance_of_all(share, counts.present) if stands_still else 1.0
    if chance > PROOF or (column.role in LATE and (counts is None or counts.present == 0)):
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
        is_blatant=True,
    )


@dataclass(frozen=True, eq=False)
class Stretches:
    """Counts of one column over stretches of one mix of phases.

    Attributes:
        windows: Length of each, in windows.
        bins: Counts, shape (stretches, bins).
        missing: Missing values by stretch.
        mix: Rows by phase of the season.
    """

    windows: np.ndarray
    bins: np.ndarray
    missing: np.ndarray
    mix: np.ndarray


def column_findings(
    name: str,
    column: ColumnReference,
    found: Stretches,
    *,
    levels: Levels,
    monitoring: Monitoring,
) -> list[list[Finding]]:
    """Test one column over stretches of production.

    Returns:
        For each stretch one finding a test; none where there are too few rows or too few effective
        rows, where the values have not come yet, or where the reference holds nothing alike.
    """
    findings: list[list[Finding]] = [[] for _ in found.missing]
    if not column.knows(found.mix):
        return findings
    tests = [*_rate_tests(column, found), *_value_tests(column, found, monitoring)]
    for test in tests:
        group: Group = "values" if test.kind == "shift" else "rates"
        weight = _weight(column) if group == "values" else 1.0
        level = {scale: levels.of_scale(group, scale, weight=weight) for scale in levels.scales}
        blatant = levels.blatant(group, weight=weight)
        judged = (test.rows >= monitoring.min_rows) & (test.effective >= MIN_EFFECTIVE_ROWS)
        for place in np.flatnonzero(judged):
            p_value, effect = float(test.p_value[place]), float(test.effect[place])
            scale, far = int(found.windows[place]), abs(effect) >= BLATANT_EFFECT * test.bound
            findings[place].append(
                Finding(
                    column=name,
                    role=column.role,
                    kind=test.kind,
                    scale=scale,
                    p_value=p_value,
                    effect=effect,
                    bound=test.bound,
                    effective_rows=float(test.effective[place]),
                    is_significant=p_value <= level[scale],
                    is_blatant=scale == 1 and far and p_value <= blatant,
                )
            )
    return findings


@dataclass(frozen=True, eq=False)
class _Test:
    kind: Kind
    p_value: np.ndarray
    effect: np.ndarray
    bound: float
    rows: np.ndarray
    effective: np.ndarray


def _value_tests(
    column: ColumnReference, found: Stretches, monitoring: Monitoring
) -> Iterator[_Test]:
    if not column.test.judges(found.mix):
        return
    present = found.bins.sum(axis=1)
    effective = present / column.test.design_effect(found.windows)
    yield _Test(
        "shift",
        column.test.p_value(found.bins, windows=found.windows, mix=found.mix),
        column.test.effect(found.bins, windows=found.windows, mix=found.mix),
        monitoring.min_effect,
        present,
        effective,
    )
    if column.tells_unseen:
        unseen = found.bins[:, -1]
        chance = column.chance_of_unseen(unseen, present, windows=found.windows)
        share = unseen / np.maximum(present, 1)
        yield _Test("unseen_category", chance, share, MIN_UNSEEN_SHARE, present, effective)


def _rate_tests(column: ColumnReference, found: Stretches) -> Iterator[_Test]:
    if column.role in LATE:
        return
    test = column.missing_test
    rows = found.bins.sum(axis=1) + found.missing
    some = np.maximum(rows, 1)
    yield _Test(
        "missing_rate",
        test.p_value(found.missing, some, windows=found.windows, mix=found.mix),
        test.change(found.missing, some, mix=found.mix),
        MIN_RATE_CHANGE,
        rows,
        rows / test.design_effect(found.windows),
    )


def weights_of(columns: Mapping[str, ColumnReference]) -> dict[Group, float]:
    """Return the weight of the tests that one window may see, by group."""
    late = sum(column.role in LATE for column in columns.values())
    unseen = sum(column.tells_unseen for column in columns.values())
    return {
        "values": sum(map(_weight, columns.values())),
        "rates": float(len(columns) - late + unseen),
    }


def _weight(column: ColumnReference) -> float:
    return TELLING if column.role in LATE or isinstance(column.bins, CategoryBins) else 1.0
