"""A policy whose retrainings come to nothing pauses, longer each time."""

from collections.abc import Sequence
from datetime import datetime

from ml_assets.core.problem import Retraining
from ml_assets.core.retraining_history import Training

MOST_DOUBLINGS = 8


def failures_in_a_row(trainings: Sequence[Training]) -> int:
    """Return how many of the newest retrainings that something caused were not promoted.

    Regular ones do not count: that a challenger is no better is what is expected of them.

    Args:
        trainings: In order of time.
    """
    answered = [one for one in trainings if one.episode is not None and one.promoted is not None]
    count = 0
    for training in reversed(answered):
        if training.promoted:
            break
        count += 1
    return count


def paused_until(retraining: Retraining, trainings: Sequence[Training]) -> datetime | None:
    """Return the end of the pause that the failures have earned; None if they have earned none.

    Args:
        retraining: Declares after how many failures, and how long the first pause is.
        trainings: In order of time.
    """
    failures = failures_in_a_row(trainings)
    if failures < retraining.give_up_after:
        return None
    doublings = min(failures - retraining.give_up_after, MOST_DOUBLINGS)
    last = max(one.at for one in trainings if one.episode is not None)
    return last + retraining.pause * 2**doublings
