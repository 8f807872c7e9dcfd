"""The random audit of a rehearsal."""

import numpy as np
import numpy.typing as npt

from ml_assets.core.problem import Problem
from ml_assets.core.rehearsal.past import Past


def audited_rows(
    problem: Problem, past: Past, *, seed: int, fallback: int = 20
) -> npt.NDArray[np.bool_]:
    """Draw the rows that a random audit with the declared budget would have asked about.

    Args:
        problem: Declares the budget; without one, ``fallback`` rows a day are drawn.
        past: All rows.
        seed: Of the draw.
        fallback: Rows a day where nothing is declared.
    """
    daily = problem.labelling.daily_budget * problem.labelling.audit_share or fallback
    days = max((past.times[-1] - past.times[0]) / np.timedelta64(1, "D"), 1.0)
    share = min(1.0, daily * days / len(past.times))
    return np.random.default_rng(seed).random(len(past.times)) < share
