"""Which signals are one cause, and when people are told of it again.

Signals about the world (data, drift, performance, coverage) that meet in time are one cause. What
the system did about it (a rollback, a circuit breaker) belongs to the cause it met. A failing job
is a cause of its own.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ml_assets.core.alert import RANKS, Alert, Kind, Signal

WORLD: tuple[Kind, ...] = ("data_fault", "drift", "performance", "coverage")
ANSWERS: tuple[Kind, ...] = ("circuit_breaker", "rollback")
SPEAKS: tuple[Kind, ...] = ("data_fault", *ANSWERS)
"""Kinds that people are told of also when they join a cause that is known already."""
FAILED: Kind = "failed_run"
OPENED, CLOSED, PAST = "opened", "closed", "past"
GONE = "it is no longer found"


def absorbed(
    known: Sequence[Alert], signals: Sequence[Signal], *, problem: str, within: timedelta
) -> list[Alert]:
    """Return the alerts after some signals, known ones first, in their order.

    Args:
        known: Alerts so far.
        signals: What was found.
        problem: Name of the problem.
        within: How far apart signals of one cause may begin.
    """
    alerts = list(known)
    for signal in sorted(signals, key=lambda signal: (signal.since, signal.key)):
        place = _place(alerts, signal, within)
        if place is None:
            alerts.append(Alert(problem=problem, signals=(signal,)))
        else:
            alerts[place] = _with_signal(alerts[place], signal)
    return alerts


def without_gone(
    known: Sequence[Alert], signals: Sequence[Signal], *, listed: Collection[Kind], now: datetime
) -> list[Alert]:
    """Return known alerts whose open signals, of kinds that are listed in full, are still found.

    Args:
        known: Alerts so far.
        signals: All that was found of the listed kinds.
        listed: Kinds of which nothing was left out.
        now: Event time at which what is gone counts as over.
    """
    found = {signal.key for signal in signals}

    def seen(signal: Signal) -> Signal:
        gone = signal.until is None and signal.kind in listed and signal.key not in found
        return signal.ended(now, GONE) if gone else signal

    return [replace(alert, signals=tuple(map(seen, alert.signals))) for alert in known]


def occasion(before: Alert | None, after: Alert) -> str | None:
    """Say why people are told now; None if they are not.

    They are told when a cause opens, when it gets worse, when something joins it that cannot wait,
    and when it is over. What was over before it was first seen is not told, only kept.

    Returns:
        A name that is the same for the same message, so that it is sent once.
    """
    if before is None:
        return PAST if after.is_over else OPENED
    if after.is_over:
        return None if before.is_over else CLOSED
    if RANKS[after.severity] > RANKS[before.severity]:
        return f"severity {after.severity}"
    known = {signal.key for signal in before.signals}
    joined = [s.key for s in after.signals if s.key not in known and s.kind in SPEAKS]
    return f"joined {joined[0]}" if joined else None


def _place(alerts: Sequence[Alert], signal: Signal, within: timedelta) -> int | None:
    """Return the number of the alert that a signal belongs to; None if it is a new cause."""
    for place, alert in enumerate(alerts):
        if any(own.key == signal.key for own in alert.signals):
            return place
    for place, alert in reversed(list(enumerate(alerts))):
        if signal.kind in WORLD + ANSWERS and _meet(alert, signal, within):
            return place
    return None


def _meet(alert: Alert, signal: Signal, within: timedelta) -> bool:
    if not any(kind in WORLD for kind in alert.kinds):
        return False
    if alert.until is not None and signal.until is None:
        return False  # it goes on, what it would join is over
    ends = alert.until if alert.until is not None else signal.since
    return alert.since - within <= signal.since <= ends + within


def _with_signal(alert: Alert, signal: Signal) -> Alert:
    keys = [own.key for own in alert.signals]
    if signal.key not in keys:
        return replace(alert, signals=(*alert.signals, signal))
    place = keys.index(signal.key)
    return replace(alert, signals=(*alert.signals[:place], signal, *alert.signals[place + 1 :]))
