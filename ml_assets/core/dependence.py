"""Whether rows depend on their neighbours in time: asked of all columns of a reference together.

It is a property of the rows more than of a column. So the share of independent columns is taken as
unknown, every share as likely, and what the others' stretches say of it is what is believed of a
column before its own. Twenty columns that look independent leave little doubt of each; one that
looks so among nineteen that do not is hardly believed.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHARES = (np.arange(200) + 0.5) / 200


def prior_odds(odds: Sequence[float]) -> NDArray[np.float64]:
    """Return the odds of dependence of each column, as the other columns have them.

    Args:
        odds: Of each column, as its own stretches have them where both are as likely before.

    Example:
        >>> prior_odds([0.01] * 20)[0].round(2).item(), prior_odds([1e6] * 20)[0].round().item()
        (0.05, 20.0)
    """
    # Without stretches that can speak for independence, the odds are infinite.
    given = np.minimum(np.asarray(odds, float), 1e12)
    each = np.log(SHARES + (1 - SHARES) * given[:, None])
    others = each.sum(axis=0) - each
    likely = np.exp(others - others.max(axis=1, keepdims=True, initial=-np.inf))
    return (likely @ (1 - SHARES)) / (likely @ SHARES)
