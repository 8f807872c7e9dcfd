"""How many recent rows a server holds in memory, however long the lookback is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RowBounds:
    """Rows that are remembered at most; the oldest go first.

    Attributes:
        per_entity: Of one entity.
        in_all: Of all entities.
    """

    per_entity: int = 100_000
    in_all: int = 1_000_000
