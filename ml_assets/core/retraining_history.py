"""What past retrainings came to."""

from dataclasses import dataclass
from datetime import datetime

LEARN_AND_JUDGE = 2  # rows needed from after a change, in times of what the gates ask for


@dataclass(frozen=True)
class Training:
    """A retraining that was started.

    Attributes:
        at: When, in event time.
        episode: Name of what caused it; None for a regular one.
        promoted: Whether its model was let through; None while that is not known.
        recovery: Share of the excess loss that it took away; None while that is not known.
    """

    at: datetime
    episode: str | None = None
    promoted: bool | None = None
    recovery: float | None = None


def recovery_of(excess: float | None, gain: float | None, *, promoted: bool) -> float | None:
    """Return the share of an excess loss that a retraining took away; None if it is not known.

    Args:
        excess: What the champion lost on top of its usual loss, as a share of that.
        gain: Share of the champion's loss that the new model does not have, on the same rows.
        promoted: Whether the new model serves; one that does not takes nothing away.

    Example:
        >>> recovery_of(0.5, 0.2, promoted=True)
        0.6000000000000001
    """
    if excess is None or gain is None or excess <= 0:
        return None
    return gain * (1 + excess) / excess if promoted else 0.0
