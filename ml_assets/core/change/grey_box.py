"""A physical model of the user's own: known in form, unknown in its constants.

Such a model is a grey box (Bohlin 2006, Practical Grey-box Process Identification). Declare its
import path as ``grey_box`` and drift is told by which constant moved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml_assets.core.errors import DeclarationError

Floats = NDArray[np.float64]

TRUTH = "truth"


@dataclass(frozen=True)
class Parameter:
    """A constant of a grey box.

    Attributes:
        name: Its name, with the unit where that is ambiguous.
        unit: For people.
        start: Where the search starts.
        low: Smallest possible value.
        high: Largest possible value.
        scale: Size of a notable change; None where that is a share of ``start``.

    Raises:
        DeclarationError: If the bounds do not hold ``start``, or no size is left.
    """

    name: str
    unit: str
    start: float
    low: float
    high: float
    scale: float | None = None

    def __post_init__(self) -> None:
        if not self.low <= self.start <= self.high or self.low == self.high:
            message = (
                f"Parameter {self.name!r} starts at {self.start:g}, outside {self.low:g} to "
                f"{self.high:g}: give bounds that hold its start."
            )
            raise DeclarationError(message)
        if not self.size > 0:
            message = (
                f"Parameter {self.name!r} starts at 0, so a share of that is no notable change: "
                "give the size of one as scale, in its unit."
            )
            raise DeclarationError(message)

    @property
    def size(self) -> float:
        """What a step of the search is measured in."""
        return abs(self.start) if self.scale is None else self.scale


class GreyBox(Protocol):
    """What a user's class offers, made without arguments."""

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The constants that are estimated."""
        ...

    @property
    def columns(self) -> Sequence[str]:
        """Features that ``residuals`` reads; rows that lack one are left out."""
        ...

    def residuals(self, values: Mapping[str, Floats], rows: pd.DataFrame) -> Floats:
        """Return by how many standard deviations each reading differs from the model.

        Args:
            values: Each parameter, one element a row.
            rows: ``columns`` and the truth, as ``truth``.

        Returns:
            Shape (rows, readings a row).
        """
        ...
