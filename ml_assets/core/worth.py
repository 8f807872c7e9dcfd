"""What a retraining saves and what it costs, both in days of the usual loss.

Two costs stand against the loss saved: the declared one of training, and the risk that a gate lets
through a model that is worse. The loss is saved until the next decision; but a change that has
lasted is expected to last as long again, which makes the rule that of renting or buying: at the
latest, retrain when what was lost already would have paid for it (Karlin, Manasse, Rudolph &
Sleator 1988, Algorithmica 3).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from ml_assets.core.loss_reading import LossReading
from ml_assets.core.problem import Gates, Retraining

DAY = timedelta(days=1)
LONGEST = timedelta(days=30)
PRIOR_RETRAININGS = 2  # the declared expectation weighs as much as so many observed ones


@dataclass(frozen=True)
class Worth:
    """A retraining on the scales.

    Attributes:
        excess: Share of the usual loss that is lost on top of it.
        recovery: Share of the excess that a retraining is expected to take away.
        horizon: How long that is counted.
        saving: Expected loss saved, in days of the usual loss.
        cost: Of training, in the same unit.
        risk: Expected harm of a wrong promotion, in the same unit.
    """

    excess: float
    recovery: float
    horizon: timedelta
    saving: float
    cost: float
    risk: float

    @property
    def pays(self) -> bool:
        """Whether more is saved than spent."""
        return self.saving > self.cost + self.risk

    def __str__(self) -> str:
        verb = "pays" if self.pays else "does not pay"
        return (
            f"The loss is {self.excess:+.1%} against the usual one. Retraining {verb}: over "
            f"{self.horizon / DAY:.2g} days it is expected to save {self.saving:.3g} days of the "
            f"usual loss ({self.recovery:.0%} of the excess), for {self.cost:.3g} of training and "
            f"{self.risk:.2g} of risk."
        )


def worth_of(
    retraining: Retraining,
    gates: Gates,
    reading: LossReading,
    *,
    now: datetime,
    recoveries: Sequence[float],
    next_tick: datetime | None,
) -> Worth:
    """Weigh a retraining.

    Args:
        retraining: Declares the cost and what to expect.
        gates: Declare how often they err, and how much worse a slice may become.
        reading: The champion's loss now.
        now: End of the newest observed window.
        recoveries: What each past retraining has taken away of the excess it answered; 0 where
            nothing was promoted.
        next_tick: When the next regular retraining is due, if there are any.
    """
    until_next = next_tick - now if next_tick is not None else retraining.cooldown
    lasting = max(until_next, reading.lasted(now))
    horizon = min(lasting, until_next if next_tick is not None else LONGEST)
    recovery = expected_recovery(retraining, recoveries)
    days = horizon / DAY
    return Worth(
        excess=reading.excess,
        recovery=recovery,
        horizon=horizon,
        saving=max(0.0, reading.excess) * recovery * days,
        cost=retraining.cost,
        risk=(1 - gates.confidence) * gates.slice_margin * days,
    )


def expected_recovery(retraining: Retraining, recoveries: Sequence[float]) -> float:
    """Return the share of an excess that the next retraining is expected to take away.

    What was observed is shrunken towards the declared expectation, as the posterior mean under a
    prior worth two retrainings.

    Example:
        >>> expected_recovery(Retraining(expected_recovery=0.5), [])
        0.5
        >>> expected_recovery(Retraining(expected_recovery=0.5), [0.9, 0.8])
        0.675
    """
    observed = float(np.clip(recoveries, -1.0, 1.0).sum()) if len(recoveries) else 0.0
    prior = PRIOR_RETRAININGS * retraining.expected_recovery
    return max(0.0, (prior + observed) / (PRIOR_RETRAININGS + len(recoveries)))
