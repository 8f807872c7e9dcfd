"""A second version in traffic: started, changed, ended. Each is a ledger entry, then announced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ml_assets.core.deployment import Deployment, Mode
from ml_assets.core.errors import LedgerError
from ml_assets.storage.ledger import Event
from ml_assets.storage.serving_state import Traffic, announce, serving_at
from ml_assets.storage.versions import stored_version
from ml_assets.storage.workspace import Workspace


@dataclass(frozen=True)
class Part:
    """How a version takes part.

    Attributes:
        mode: ``canary``, ``ab`` or ``shadow``.
        share: Part of the keys that it answers; 0 in the shadow.
        stage: Place in the declared plan; None if a person set it.
    """

    mode: Mode
    share: float
    stage: int | None = None

    def __post_init__(self) -> None:
        fits = self.share == 0 if self.mode == "shadow" else 0 < self.share <= 1
        if not fits:
            message = (
                f"Share {self.share} does not go with mode {self.mode!r}: it is 0 in the shadow, "
                "otherwise above 0 and at most 1."
            )
            raise LedgerError(message)


def start_traffic(
    workspace: Workspace,
    problem: str,
    version: str,
    part: Part,
    *,
    reason: str,
    routing_key: Sequence[str],
    bento: str | None = None,
    now: datetime,
) -> Deployment:
    """Bring a packaged version into traffic beside the champion.

    Args:
        workspace: Where ledger and deployment are.
        problem: Name of the problem.
        version: The challenger.
        part: How it takes part.
        reason: Why.
        routing_key: Columns that choose who answers; empty for the entity's keys.
        bento: Tag of its Bento, for the time when it serves alone.
        now: When.

    Raises:
        LedgerError: If it was never packaged, serves, or another version is in traffic.
    """
    stored = stored_version(workspace, problem, version)
    if stored.release is None:
        message = f"Version {version!r} was never packaged, so it cannot answer. Take another one."
        raise LedgerError(message)
    state = serving_at(workspace.ledger.entries(problem))
    revision = 1 if state is None else state.revision + 1
    details = {
        "release": stored.release,
        "experiment": f"{problem}/{version}/{revision}",
        "routing_key": list(routing_key),
        **({} if bento is None else {"bento": bento}),
    }
    return _record(
        workspace,
        problem,
        "traffic_started",
        (version, part, details),
        reason=reason,
        now=now,
        follows=state.newest.sequence if state else None,
    )


def change_traffic(
    workspace: Workspace,
    problem: str,
    part: Part,
    *,
    reason: str,
    details: Mapping[str, Any] | None = None,
    now: datetime,
    follows: int | None = None,
) -> Deployment:
    """Let the version in traffic take part otherwise: the experiment goes on.

    Raises:
        LedgerError: If no version is in traffic, or something happened since entry ``follows``.
    """
    traffic = traffic_now(workspace, problem)
    facts = {**traffic.details, **(details or {})}
    return _record(
        workspace,
        problem,
        "traffic_changed",
        (traffic.version, part, facts),
        reason=reason,
        now=now,
        follows=follows,
    )


def end_traffic(
    workspace: Workspace,
    problem: str,
    *,
    outcome: str,
    reason: str,
    details: Mapping[str, Any] | None = None,
    now: datetime,
    follows: int | None = None,
) -> Deployment:
    """Withdraw the version in traffic; the champion answers everything again.

    Raises:
        LedgerError: If no version is in traffic, or something happened since entry ``follows``.
    """
    traffic = traffic_now(workspace, problem)
    workspace.ledger.record(
        problem,
        "traffic_ended",
        traffic.version,
        reason=reason,
        details={"experiment": traffic.experiment, "outcome": outcome, **(details or {})},
        at=now,
        follows=follows,
    )
    return announce(workspace, problem)


def traffic_now(workspace: Workspace, problem: str) -> Traffic:
    """Return the version that is in traffic beside the champion.

    Raises:
        LedgerError: If there is none.
    """
    state = serving_at(workspace.ledger.entries(problem))
    if state is None or state.traffic is None:
        message = (
            f"No version of {problem!r} is in traffic beside the champion. "
            f"Start one: ml-assets traffic {problem} --challenger VERSION --share 0.1"
        )
        raise LedgerError(message)
    return state.traffic


def _record(
    workspace: Workspace,
    problem: str,
    event: Event,
    traffic: tuple[str, Part, Mapping[str, Any]],
    *,
    reason: str,
    now: datetime,
    follows: int | None,
) -> Deployment:
    version, part, details = traffic
    facts = {**details, "mode": part.mode, "share": part.share, "stage": part.stage}
    workspace.ledger.record(
        problem, event, version, reason=reason, details=facts, at=now, follows=follows
    )
    return announce(workspace, problem)
