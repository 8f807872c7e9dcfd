"""When a fault of the data is to be repaired, and when it is the world as it is now.

Nobody learns from a dead column or a wrong unit: it is repaired. But a rule that sees columns alone
takes some new states of the world for faults, and a fault that nobody repairs is a state as well.
So one that stayed the same for the declared time is no longer a reason not to learn, nor is one
that a person accepted. Time in which it was gone does not count for the first, and does not undo
the second. The gates still have to let through what was learned.
"""

from datetime import datetime

from ml_assets.core.episodes import Episode
from ml_assets.core.problem import Retraining

FEWEST_WINDOWS = 3  # that showed it, however long a window is


def to_repair(
    retraining: Retraining, episode: Episode, *, now: datetime, accepted: datetime | None = None
) -> str | None:
    """Return that an episode's data are to be repaired before anything is learned; None if not.

    Args:
        retraining: Declares how long a fault may last.
        episode: The episode.
        now: End of the newest observed window.
        accepted: End of the newest window that a person had seen who accepted what it held. A fault
            that began later is another one.
    """
    if episode.severity != "data_fault":
        return None
    since = episode.fault_since or episode.last_drift
    if accepted is not None and accepted > (episode.fault_first or since):
        return None
    due = since + retraining.settles_after
    # Quiet windows say that it is gone: it lasted until the last one that showed it.
    lasted_until = episode.last_drift if episode.quiet else now
    if lasted_until >= due and episode.fault_windows >= FEWEST_WINDOWS:
        return None
    columns = ", ".join(repr(column) for column in episode.columns)
    return (
        f"The data is at fault in {columns}: a model must not learn from it. Repair it. If it has "
        f"to be so: ml-assets accept {episode.problem}. If it stays the same, it is learned from "
        f"after {due:%Y-%m-%d %H:%M} UTC."
    )
