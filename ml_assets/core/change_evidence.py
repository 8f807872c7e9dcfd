"""Evidence that something helps from now on, gathered by betting, block after block.

Before each block of rows one bets a share of a stake that acting would have gained in it. If acting
gains nothing on average, given all that came before, no way of betting can be expected to win (a
game-theoretic martingale; Shafer & Vovk 2019; Waudby-Smith & Ramdas 2024). Since nobody knows
when a change begins, a new unit is staked at each look, and the stakes are added up: such a sum
reaches a threshold no sooner than after that many looks on average while nothing changes (the
e-detector of Shin, Ramdas & Rinaldo 2023). Several shares are bet, and the mean of their stakes
counts: it has the same property.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ml_assets.core.conformal import FloatArray

SHARES = (0.1, 0.3, 0.6, 0.9)
# A capped stake only says less, so what is promised of false alarms holds. Without a cap it would
# overflow, and what helped long ago would never be forgotten.
MOST = 1e12


def evidence(
    gains: Sequence[float] | FloatArray,
    looks: Sequence[int] | npt.NDArray[np.intp],
    shares: tuple[float, ...] = SHARES,
) -> float:
    """Return what the stakes have grown to after the last block.

    Args:
        gains: One a block: from -1 up, and not above 0 on average where acting does not help.
        looks: Number of the look that each block belongs to, ascending.
        shares: Of the stake that are bet, between 0 and 1.

    Example:
        >>> evidence([0.0, 0.0, 0.0, 0.0], [0, 0, 1, 2])
        3.0
        >>> evidence([0.5] * 12, [0] * 12) > 20
        True
    """
    stakes = np.zeros(len(shares))
    bets = np.array(shares)
    before = None
    for gain, look in zip(gains, looks, strict=True):
        if look != before:
            stakes, before = stakes + 1, look
        stakes = np.minimum(stakes * (1 + bets * gain), MOST)
    return float(stakes.mean())
