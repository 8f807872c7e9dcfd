"""What alerts say besides their signals: what changed in the world, and what was done already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from ml_assets.core.alert import Alert, moment
from ml_assets.core.causes import FAILED
from ml_assets.storage.decisions import Decision
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.ledger import TRAFFIC, Entry
from ml_assets.storage.workspace import Workspace

SHOWN = 5
TOLD = ("promoted", "kept", "rolled_back", "intervened", "intervention_ended", *TRAFFIC)


@dataclass(frozen=True)
class AlertHistory:
    """Changes that were named, decisions and moves of versions, each read once for many alerts.

    Attributes:
        changes: Rows of the change report.
        decisions: The latest decisions.
        entries: The whole ledger, oldest first.
    """

    changes: Sequence[Mapping[str, Any]]
    decisions: Sequence[Decision]
    entries: Sequence[Entry]

    @classmethod
    def read(cls, workspace: Workspace, declared: DeclaredProblem) -> Self:
        """Read it as it is now."""
        name, table = declared.problem.name, table_name(declared, "change_reports")
        return cls(
            changes=workspace.lake.read(table).to_pylist() if workspace.lake.exists(table) else [],
            decisions=workspace.decisions.recent(name),
            entries=workspace.ledger.entries(name),
        )

    def completed(self, alert: Alert, since: datetime) -> Alert:
        """Return an alert, first seen at a moment, with what changed and what was done."""
        return replace(alert, change=self._change(alert), done=self._actions(alert, since))

    def _change(self, alert: Alert) -> str:
        """Return what the newest change report says of an alert's episodes; else what it said."""
        keys = {signal.key for signal in alert.signals}
        rows = [row for row in self.changes if row["episode"] in keys]
        return max(rows, key=lambda row: row["until"])["sentence"] if rows else alert.change

    def _actions(self, alert: Alert, since: datetime) -> tuple[str, ...]:
        """Say what was decided about an alert's episodes, and how versions moved since then."""
        keys = {signal.key for signal in alert.signals}
        said: list[tuple[datetime, str]] = [
            (one.at, f"{one.kind.replace('_', ' ')}: {one.outcome.replace('_', ' ')}. {one.reason}")
            for one in self.decisions
            if one.episode in keys
        ]
        about_the_world = any(signal.kind != FAILED for signal in alert.signals)
        in_force = _intervention_in_force(self.entries) if about_the_world else None
        said += [
            (entry.at, f"{entry.version} {entry.event.replace('_', ' ')}. {entry.reason}")
            for entry in self.entries
            if entry.event in TOLD and (entry.at >= since or entry is in_force)
        ]
        newest = {text: at for at, text in sorted(said)}  # a repeated decision is told once
        ordered = sorted(newest.items(), key=lambda one: one[1])[-SHOWN:]
        return tuple(f"{moment(at)} {text}" for text, at in ordered)


def _intervention_in_force(entries: Sequence[Entry]) -> Entry | None:
    """Return what began the intervention that is in force: the same look may tell of its cause."""
    about = [one for one in entries if one.event in {"intervened", "intervention_ended"}]
    return about[-1] if about and about[-1].event == "intervened" else None
