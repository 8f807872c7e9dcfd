"""The ledger: the append-only, hash-chained history of a problem's versions."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

import sqlalchemy as sa

from ml_assets.core.errors import LedgerError, nearest
from ml_assets.storage.atomic import write_atomically
from ml_assets.storage.columns import canonical_json, utc
from ml_assets.storage.state import State, fetch
from ml_assets.storage.tables import ledger

Event = Literal[
    "trained",
    "challenged",
    "traffic_started",
    "traffic_changed",
    "traffic_ended",
    "promoted",
    "kept",
    "rolled_back",
    "retired",
    "intervened",
    "intervention_ended",
]
SERVES = ("promoted", "rolled_back")
INTERVENES = ("intervened", "intervention_ended")
TRAFFIC = ("traffic_started", "traffic_changed", "traffic_ended")
DECIDES = ("promoted", "kept", "rolled_back", "retired", "traffic_ended")
FIRST_HASH = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One thing that happened to one version.

    Attributes:
        problem: Name of the problem; each has a chain of its own.
        sequence: Place in the chain, from 1.
        at: When it happened, in UTC.
        event: What happened. ``kept``: the champion stayed, this challenger lost.
            ``rolled_back``: this earlier version serves again. ``traffic_started``: this version
            is tried beside the champion; ``traffic_changed``: otherwise than before;
            ``traffic_ended``: no longer, the champion stayed. ``intervened``: what this version
            says is corrected, or corrected otherwise; ``intervention_ended``: no longer.
        version: The version it happened to.
        reason: Why, for people.
        details: Figures and digests, as JSON values.
        previous_hash: Hash of the entry before.
        hash: SHA-256 of all other fields as canonical JSON.
    """

    problem: str
    sequence: int
    at: datetime
    event: Event
    version: str
    reason: str
    details: Mapping[str, Any]
    previous_hash: str
    hash: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "at": utc(self.at).isoformat(timespec="microseconds")}

    def computed_hash(self) -> str:
        """Return the hash that the other fields give."""
        fields = self.to_json()
        del fields["hash"]
        return hashlib.sha256(canonical_json(fields).encode()).hexdigest()


class Ledger:
    """The histories of all problems in one state database."""

    def __init__(self, state: State) -> None:
        self.state = state

    def record(
        self,
        problem: str,
        event: Event,
        version: str,
        *,
        reason: str,
        details: Mapping[str, Any] | None = None,
        at: datetime,
        follows: int | None = None,
    ) -> Entry:
        """Append an entry and return it.

        Args:
            problem: Name of the problem.
            event: What happened.
            version: The version it happened to.
            reason: Why, for people.
            details: Figures and digests, as JSON values.
            at: When it happened.
            follows: Sequence of the last change of who serves that the decision knew of; None if
                that does not matter.

        Raises:
            LedgerError: If the event is unknown, the details are no JSON, a version is rolled back
                to that never served, traffic is given or taken that cannot be, or something
                happened that the decision did not know of.
        """
        if event not in get_args(Event):
            message = f"{event!r} is no event of a version. {nearest(event, get_args(Event))}"
            raise LedgerError(message)
        values = _as_json(problem, details or {})

        def append(connection: sa.Connection) -> Entry:
            entries = _entries(connection, problem)
            _check_move(problem, event, version, entries)
            _check_knowledge(problem, entries, follows)
            last = entries[-1] if entries else None
            draft = Entry(
                problem,
                last.sequence + 1 if last else 1,
                utc(at),
                event,
                version,
                reason,
                values,
                last.hash if last else FIRST_HASH,
            )
            entry = replace(draft, hash=draft.computed_hash())
            # The primary key (problem, sequence) refuses a second entry in the same place.
            connection.execute(sa.insert(ledger).values(asdict(entry)))
            return entry

        return self.state.write(append)

    def entries(self, problem: str) -> list[Entry]:
        """Return the whole history of ``problem``, oldest first."""
        with self.state.read() as connection:
            return _entries(connection, problem)

    def champion(self, problem: str, at: datetime | None = None) -> Entry | None:
        """Return the entry that made the version serving ``at`` a moment, None for now.

        None is returned for a time when nothing served.
        """
        moment = None if at is None else utc(at)
        for entry in reversed(self.entries(problem)):
            if entry.event in SERVES and (moment is None or entry.at <= moment):
                return entry
        return None

    def challenger(self, problem: str) -> Entry | None:
        """Return the newest entry of a version that was trained and not yet decided on."""
        decided: set[str] = set()
        for entry in reversed(self.entries(problem)):
            if entry.event in DECIDES:
                decided.add(entry.version)
            elif entry.event not in INTERVENES:
                return None if entry.version in decided else entry
        return None

    def verify(self, problem: str) -> None:
        """Follow the chain from its start.

        A chain whose newest entries were cut off still verifies: compare it with an export.

        Raises:
            LedgerError: If an entry is missing, was changed or was put in; it names the first.
        """
        previous = FIRST_HASH
        for place, entry in enumerate(self.entries(problem), start=1):
            fault = _fault(entry, place, previous)
            if fault is not None:
                message = (
                    f"The ledger of {problem!r} is broken at entry {entry.sequence} "
                    f"({entry.event} {entry.version} at {entry.at}): {fault}. "
                    "Restore the state database from a backup, or compare it with an export."
                )
                raise LedgerError(message)
            previous = entry.hash

    def export(self, problem: str, path: Path) -> int:
        """Write the history of ``problem`` as one JSON object a line; return the lines."""
        lines = [json.dumps(entry.to_json(), ensure_ascii=False) for entry in self.entries(problem)]
        write_atomically(path, "".join(f"{line}\n" for line in lines).encode())
        return len(lines)


def _entries(connection: sa.Connection, problem: str) -> list[Entry]:
    query = sa.select(ledger).where(ledger.c.problem == problem).order_by(ledger.c.sequence)
    try:
        return fetch(connection, query, Entry)
    except ValueError as error:
        message = f"The ledger of {problem!r} holds a value that no entry was written with: {error}"
        raise LedgerError(message) from error


def _as_json(problem: str, details: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return json.loads(canonical_json(details))
    except (TypeError, ValueError) as error:
        message = f"Details of an entry of {problem!r} must be JSON values, without NaN: {error}."
        raise LedgerError(message) from error


def in_traffic(entries: Sequence[Entry]) -> str | None:
    """Return the version that is tried beside the champion after these entries."""
    for entry in reversed(entries):
        if entry.event in SERVES or entry.event == "traffic_ended":
            return None
        if entry.event in TRAFFIC:
            return entry.version
    return None


def _check_move(problem: str, event: Event, version: str, entries: list[Entry]) -> None:
    if event == "rolled_back":
        _check_served(problem, version, entries)
    elif event in TRAFFIC:
        _check_traffic(problem, event, version, entries)


def _check_served(problem: str, version: str, entries: list[Entry]) -> None:
    served = [entry.version for entry in entries if entry.event in SERVES]
    if version not in served:
        message = f"{problem!r} cannot roll back to {version!r}, which never served. " + (
            nearest(version, set(served)) if served else "No version has served yet."
        )
        raise LedgerError(message)


def _check_traffic(problem: str, event: Event, version: str, entries: list[Entry]) -> None:
    tried = in_traffic(entries)
    served = [entry.version for entry in entries if entry.event in SERVES]
    if event != "traffic_started":
        fault = None if tried == version else f"{tried or 'no version'} is in traffic"
    elif tried is not None:
        fault = f"{tried} is in traffic already; end that first"
    elif not served:
        fault = "nothing serves yet to compare it with; promote it"
    else:
        fault = "it serves" if served[-1] == version else None
    if fault is not None:
        message = f"{event!r} is no move for {version!r} of {problem!r}: {fault}."
        raise LedgerError(message)


def _check_knowledge(problem: str, entries: Sequence[Entry], follows: int | None) -> None:
    changes = [entry.sequence for entry in entries if entry.event in SERVES + TRAFFIC]
    if follows is not None and changes[-1:] != [follows]:
        message = (
            f"A decision about who serves {problem!r} followed entry {follows}, and there is a "
            f"newer one: {changes[-1:]}. Decide again from the present state."
        )
        raise LedgerError(message)


def _fault(entry: Entry, place: int, previous: str) -> str | None:
    if entry.sequence != place:
        return f"entry {place} is missing"
    if entry.previous_hash != previous:
        return "it does not follow the entry before it"
    if entry.hash != entry.computed_hash():
        return "it was changed after it was written"
    return None
