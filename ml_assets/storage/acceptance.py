"""What a person said of faulty data: that it has to be so."""

from datetime import UTC, datetime

from ml_assets.core.episodes import Episode
from ml_assets.core.errors import LedgerError
from ml_assets.storage.change_reports import as_named
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.drift_reports import episodes, newest_window_end
from ml_assets.storage.workspace import Workspace

KIND = "data"
ACCEPTED = "accepted"


def accept_data(workspace: Workspace, declared: DeclaredProblem, *, reason: str) -> Episode:
    """Record that what looks like a fault of the champion's data has to be so, as seen until now.

    Raises:
        LedgerError: If no fault is open.
    """
    name = declared.problem.name
    champion = workspace.ledger.champion(name)
    seen = episodes(workspace, declared, champion.version) if champion else []
    now = newest_window_end(workspace, declared)
    episode = as_named(workspace, declared, seen[-1], until=now) if seen and now else None
    if episode is None or now is None or not episode.is_open or episode.severity != "data_fault":
        message = (
            f"No fault of the data of {name!r} is open, so there is none to accept. "
            f"See what is: ml-assets alerts {name}"
        )
        raise LedgerError(message)
    workspace.decisions.record(
        name,
        KIND,
        ACCEPTED,
        reason,
        episode=episode.id,
        details={"now": now.isoformat(), "columns": list(episode.columns)},
        at=datetime.now(tz=UTC),
    )
    return episode


def accepted_until(workspace: Workspace, problem: str) -> datetime | None:
    """Return the end of the newest window that was accepted as it was; None if none ever was."""
    newest = workspace.decisions.recent(problem, KIND, limit=1, outcome=ACCEPTED)
    return datetime.fromisoformat(newest[0].details["now"]) if newest else None
