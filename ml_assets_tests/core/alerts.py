"""Signals as parts of the system make them."""

from datetime import UTC, datetime, timedelta

from ml_assets.core.alert import ExpectedLoss, Signal

START = datetime(2026, 3, 1, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)


def signal(kind="drift", hours=0, *, severity="warn", key=None, until=None, **more):
    """Return a signal that begins some hours after the start."""
    return Signal(
        **{
            "key": key or f"{kind}/{hours}",
            "kind": kind,
            "severity": severity,
            "title": f"{kind} in 'load'",
            "what": f"'load' shows {kind}.",
            "sure": f"p = 1e-9 for {kind}.",
            "since": START + hours * HOUR,
            "until": None if until is None else START + until * HOUR,
            "next_command": f"ml-assets status plant # {kind}",
            **more,
        }
    )


LOSS = ExpectedLoss(metric="mae", value=1.93, low=1.8, high=2.07, before=0.74)
