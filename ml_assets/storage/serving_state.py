"""Who serves, read off the ledger: the deployment that servers follow is only its announcement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ml_assets.core.deployment import DeployedVersion, Deployment, Mode
from ml_assets.core.errors import LedgerError
from ml_assets.storage.columns import utc
from ml_assets.storage.ledger import SERVES, TRAFFIC, Entry
from ml_assets.storage.workspace import Workspace


@dataclass(frozen=True)
class Traffic:
    """A version that is tried beside the champion.

    Attributes:
        started: Entry that brought it into traffic.
        newest: Entry that says how it takes part now.
        first_revision: Revision of the deployment that it came with.
    """

    started: Entry
    newest: Entry
    first_revision: int

    @property
    def version(self) -> str:
        """Name in the ledger."""
        return self.newest.version

    @property
    def experiment(self) -> str:
        """Name of the comparison."""
        return self.started.details["experiment"]

    @property
    def mode(self) -> Mode:
        """How it takes part."""
        return self.newest.details["mode"]

    @property
    def share(self) -> float:
        """Part of the keys that it answers; 0 in the shadow."""
        return self.newest.details["share"]

    @property
    def stage(self) -> int | None:
        """Place in the declared plan; None if it was set by hand."""
        return self.newest.details["stage"]

    @property
    def details(self) -> dict[str, Any]:
        """What stays the same from entry to entry."""
        kept = ("release", "bento", "experiment", "routing_key")
        return {name: self.started.details[name] for name in kept if name in self.started.details}


@dataclass(frozen=True)
class ServingState:
    """What answered at a moment.

    Attributes:
        champion: Entry that made it serve.
        traffic: The version beside it, if any.
        newest: Entry of the last change.
        revision: Changes so far: the revision of the deployment.
    """

    champion: Entry
    traffic: Traffic | None
    newest: Entry
    revision: int


def serving_at(entries: Sequence[Entry], moment: datetime | None = None) -> ServingState | None:
    """Return what served at a moment, None for now.

    Args:
        entries: The whole history of a problem, oldest first.
        moment: A moment with its time zone.

    Returns:
        None for a time when nothing served.
    """
    state, revision = None, 0
    for entry in entries:
        if moment is not None and entry.at > utc(moment):
            break
        if entry.event not in SERVES + TRAFFIC:
            continue
        revision += 1
        if entry.event in SERVES:
            champion = entry
        elif state is not None:
            champion = state.champion
        else:
            message = f"Entry {entry.sequence} of {entry.problem!r} splits traffic of no champion."
            raise LedgerError(message)
        state = ServingState(champion, _traffic(state, entry, revision), entry, revision)
    return state


def _traffic(state: ServingState | None, entry: Entry, revision: int) -> Traffic | None:
    match entry.event:
        case "traffic_started":
            return Traffic(entry, entry, revision)
        case "traffic_changed" if state and state.traffic:
            return Traffic(state.traffic.started, entry, state.traffic.first_revision)
        case _:
            return None


def announce(workspace: Workspace, problem: str) -> Deployment:
    """Tell running servers what the ledger says; nothing happens if they were told.

    Raises:
        LedgerError: If nothing serves yet.
    """
    state = serving_at(workspace.ledger.entries(problem))
    if state is None:
        message = f"No version of {problem!r} serves yet. Run: ml-assets materialize {problem}"
        raise LedgerError(message)
    champion = _deployed(workspace, state.champion.version, state.champion.details["release"])
    deployment = Deployment(
        problem=problem,
        revision=state.revision,
        champion=champion.digest,
        champion_version=champion.version,
        release_folder=champion.release_folder,
        at=state.newest.at,
        reason=state.newest.reason,
        **_beside(workspace, state.traffic),
    )
    workspace.deployment(problem).write(deployment)
    return deployment


def announce_again(workspace: Workspace, problem: str) -> None:
    """Tell running servers what the ledger says if they were told less.

    A move is in the ledger first: whoever is killed, or finds the disk full, between that and the
    announcement leaves servers that follow an older one.
    """
    state = serving_at(workspace.ledger.entries(problem))
    told = workspace.deployment(problem).read()
    if state is not None and (told is None or told.revision < state.revision):
        announce(workspace, problem)


def _beside(workspace: Workspace, traffic: Traffic | None) -> dict[str, Any]:
    if traffic is None:
        return {}
    contender = _deployed(workspace, traffic.version, traffic.details["release"])
    role = "shadow" if traffic.mode == "shadow" else "challenger"
    return {
        "mode": traffic.mode,
        role: contender,
        "share": traffic.share,
        "experiment": traffic.experiment,
        "routing_key": tuple(traffic.details["routing_key"]),
    }


def _deployed(workspace: Workspace, version: str, release: str) -> DeployedVersion:
    return DeployedVersion(version, release, str(workspace.artefacts.folder(release)))
