"""What features.sql gave for the rows of several requests."""

from collections.abc import Iterator
from dataclasses import dataclass

from ml_assets.core.feature_values import FeatureValues
from ml_assets.core.request_rows import Refused


@dataclass(frozen=True, eq=False)
class FoundFeatures:
    """The features of some requests, one request below the other.

    Attributes:
        values: Rows of the requests that are not refused, in their order.
        outcomes: How many of these rows each request has, or why it is refused.
    """

    values: FeatureValues
    outcomes: tuple[int | Refused, ...]

    @property
    def lengths(self) -> list[int]:
        """How many rows each request has that is not refused."""
        return [one for one in self.outcomes if isinstance(one, int)]


def spans(lengths: list[int]) -> Iterator[slice]:
    """Yield where each of some requests stands among the rows of all.

    Example:
        >>> list(spans([2, 1]))
        [slice(0, 2, None), slice(2, 3, None)]
    """
    start = 0
    for length in lengths:
        yield slice(start, start + length)
        start += length
