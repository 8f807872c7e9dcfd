"""Whether to intervene, go on or stop, from the latest truths; also the decision to do nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from ml_assets.core.conformal import Intervals
from ml_assets.core.correction_evidence import (
    KindEvidence,
    LabelledRows,
    Loss,
    judged_correction,
    judged_widening,
)
from ml_assets.core.corrections import Bounds, Correction, Kind, told
from ml_assets.core.intervention import Intervention

Outcome = Literal["begin", "change", "keep", "end", "none"]
# From the mildest on: a stronger one has to gain this much more.
STRENGTH: tuple[Kind, ...] = ("correct_bias", "recalibrate", "widen", "fall_back")
STRONGER = 0.02
FEWEST_WINDOWS = 4
LEAST_GAIN = 0.01  # about two per cent of the loss; less is not worth an intervention
LARGEST_DRIFT = 0.02  # of the larger loss: a correction that would move it less stays as it is


@dataclass(frozen=True)
class InterventionRule:
    """What may be done, and what has to be shown.

    Attributes:
        kinds: What may be done.
        bounds: How far each may go.
        lasts: When an intervention ends by itself.
        false_alarm_looks: Looks to a needless intervention, on average at least.
        window: Shortest time between two looks.
        loss: What should be lower.
        adaptive: Whether intervals follow the truths by themselves.
        renews: Whether one whose time is over begins anew where it is still shown to help.
    """

    kinds: tuple[Kind, ...]
    bounds: Bounds
    lasts: timedelta
    false_alarm_looks: float
    window: timedelta
    loss: Loss
    adaptive: bool
    renews: bool

    @property
    def threshold(self) -> float:
        """Evidence that is enough: the kinds share the false alarms."""
        return self.false_alarm_looks * max(len(self.kinds), 1)


@dataclass(frozen=True)
class InterventionDecision:
    """What follows from the latest truths.

    Attributes:
        outcome: ``begin``, ``change`` (of its numbers), ``keep``, ``end``, or ``none``.
        intervention: What is to be in force now; None if nothing is.
        reason: Why, for people.
        details: The figures that led to it, by kind.
    """

    outcome: Outcome
    intervention: Intervention | None
    reason: str
    details: Mapping[str, Any]


def decide_intervention(
    rows: LabelledRows,
    rule: InterventionRule,
    *,
    intervals: Intervals | None,
    current: Intervention | None,
    now: datetime,
    paused: str | None = None,
) -> InterventionDecision:
    """Return what to do now.

    Args:
        rows: What the serving version said of rows whose truth is known, uncorrected.
        rule: What may be done.
        intervals: Of its predictions; None if it has none.
        current: What is in force.
        now: The moment of the decision; the newest truth is not later.
        paused: Why nothing may begin, if that is so.
    """
    if current is not None:
        return _going_on(rows, rule, intervals, current, now)
    if not rule.kinds:
        return _nothing("No intervention is declared.", ())
    found = _judged(rule.kinds, rows, rule, intervals)
    if paused is not None:
        return _nothing(paused, found)
    windows = max((one.windows for one in found), default=0)
    if windows < FEWEST_WINDOWS:
        return _nothing(
            f"Insufficient data: the {len(rows)} truths that are known are of {windows} windows "
            f"with enough rows; {FEWEST_WINDOWS} are needed.",
            found,
        )
    begun = _begun(rows, rule, found, now)
    if begun is None:
        most = max(found, key=lambda one: one.evidence)
        return _nothing(
            f"Nothing is shown to help: the evidence for {most.kind} is {most.evidence:.3g} of "
            f"{rule.threshold:g}, over {most.windows} windows.",
            found,
        )
    return InterventionDecision("begin", begun, begun.reason, _details(found))


def _begun(
    rows: LabelledRows, rule: InterventionRule, found: Sequence[KindEvidence], now: datetime
) -> Intervention | None:
    """Return the intervention that is shown to help, None if none is."""
    proven = [one for one in found if one.evidence >= rule.threshold and one.gain > LEAST_GAIN]
    best = _best([one for one in proven if one.correction is not None])
    if best is None or best.correction is None:
        return None
    reason = (
        f"{best.kind} {told(best.correction)}: it would have taken {_share(best)} in the latest "
        f"windows, evidence {best.evidence:.3g} of {rule.threshold:g}."
    )
    newest = rows.times[-1].astype("datetime64[us]").item().replace(tzinfo=UTC)
    name = f"{best.kind}-{now:%Y%m%dT%H%M%S}"
    return Intervention(name, best.correction, now, now + rule.lasts, newest, reason)


def _going_on(
    rows: LabelledRows,
    rule: InterventionRule,
    intervals: Intervals | None,
    current: Intervention,
    now: datetime,
) -> InterventionDecision:
    kind = current.correction.kind
    if kind not in rule.kinds:
        return _end(f"{current.id} is of a kind that is no longer declared.", ())
    found = {one.kind: one for one in _judged(rule.kinds, rows, rule, intervals)}
    if current.is_over(now):
        return _over(rows, rule, [*found.values()], current, now)
    if kind not in found:
        return _end(f"{current.id} has nothing to act on: the release has no intervals.", ())
    others = [one for one in found.values() if one.kind != "widen"]
    better = _begun(rows, rule, others, now) if kind == "widen" else None
    if better is not None:
        return InterventionDecision("begin", better, better.reason, _details(others))
    return _followed(rows, rule, found[kind], current)


def _over(
    rows: LabelledRows,
    rule: InterventionRule,
    found: Sequence[KindEvidence],
    current: Intervention,
    now: datetime,
) -> InterventionDecision:
    """End what has lasted its time, or begin anew what is still shown to help."""
    lasted = f"{current.id} has lasted until {current.ends:%Y-%m-%d %H:%M} UTC."
    again = _begun(rows, rule, found, now) if rule.renews else None
    if again is None:
        return _end(lasted, found)
    reason = f"{lasted} {again.reason}"
    return InterventionDecision("begin", replace(again, reason=reason), reason, _details(found))


def _followed(
    rows: LabelledRows, rule: InterventionRule, own: KindEvidence, current: Intervention
) -> InterventionDecision:
    """Let an intervention follow the latest truths, or end it when its effect is gone."""
    since = own.since(current.since)
    if since.windows >= FEWEST_WINDOWS and since.gain <= LEAST_GAIN:
        return _end(f"The effect of {current.id} is gone: it gains too little.", [own])
    if own.correction is None or not _differs(current.correction, own.correction, rows, rule):
        return InterventionDecision("keep", current, f"{current.id} still helps.", _details([own]))
    reason = f"{current.id} now {told(own.correction)}."
    changed = replace(current, correction=own.correction)
    return InterventionDecision("change", changed, reason, _details([own]))


def _judged(
    kinds: Sequence[Kind],
    rows: LabelledRows,
    rule: InterventionRule,
    intervals: Intervals | None,
) -> tuple[KindEvidence, ...]:
    found = []
    for kind in kinds:
        if kind != "widen":
            found.append(
                judged_correction(kind, rows, rule.bounds, window=rule.window, loss=rule.loss)
            )
        elif intervals is not None:
            found.append(
                judged_widening(
                    rows, intervals, rule.bounds, adaptive=rule.adaptive, window=rule.window
                )
            )
    return tuple(found)


def _best(found: Sequence[KindEvidence]) -> KindEvidence | None:
    """Return the mildest that no stronger one beats clearly; predictions go before intervals."""
    corrections = [one for one in found if one.kind != "widen"]
    best = None
    for one in sorted(corrections, key=lambda one: STRENGTH.index(one.kind)):
        if best is None or one.gain > best.gain + STRONGER:
            best = one
    return best or next(iter(found), None)


def _differs(
    current: Correction, newest: Correction, rows: LabelledRows, rule: InterventionRule
) -> bool:
    """Whether new numbers would change the loss of the latest rows noticeably."""
    if current.kind == "widen":
        return abs(getattr(newest, "factor", 1.0) / getattr(current, "factor", 1.0) - 1) > 0.1
    latest = rows.rows(slice(-200, None))
    before, after = (
        float(latest.losses(latest.corrected(one), rule.loss).mean()) for one in (current, newest)
    )
    return before - after > LARGEST_DRIFT * before


def _share(found: KindEvidence) -> str:
    if found.kind == "widen":
        return f"{found.gain:.1%} more truths in"
    # (before - after) / (before + after) as a share of the loss before
    return f"{2 * found.gain / (1 + found.gain):.0%} off the loss"


def _nothing(reason: str, found: Sequence[KindEvidence]) -> InterventionDecision:
    return InterventionDecision("none", None, reason, _details(found))


def _end(reason: str, found: Sequence[KindEvidence]) -> InterventionDecision:
    return InterventionDecision("end", None, reason, _details(found))


def _details(found: Sequence[KindEvidence]) -> dict[str, Any]:
    return {one.kind: one.to_json() for one in found}
