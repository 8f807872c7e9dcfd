"""What was found to be wrong with the data."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import pandas as pd

FaultKind = Literal[
    "dead_column",
    "frozen_column",
    "changed_unit",
    "exchanged_columns",
    "rows_out_of_order",
    "repeated_rows",
    "shifted_clock",
]

Repair = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class Fault:
    """A fault of the data.

    Attributes:
        kind: Which.
        columns: Where.
        since: First moment that is affected.
        says: What was found, in words that follow the columns' names.
        repair: Undoes it, for a replay; None where that cannot be.
    """

    kind: FaultKind
    columns: tuple[str, ...]
    since: datetime
    says: str
    repair: Repair | None = field(default=None, compare=False, repr=False)
