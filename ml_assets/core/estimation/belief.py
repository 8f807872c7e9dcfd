"""Which of the three figures of a cohort to believe, and why."""

from dataclasses import dataclass
from math import isfinite, nan
from typing import Literal

Belief = Literal["realised", "corrected", "audited", "estimated", "none"]

ALL_LABELS = 0.8  # share of labelled rows from which the loss is taken as it is
SOME_LABELS = 0.2  # share from which a correction for the others is worth a look
FEWEST_AUDITED = 10
FEWEST_LABELLED = 20
ANSWERED_AUDIT = 0.9  # share of audited rows whose label came, below which they may be no sample


@dataclass(frozen=True)
class Figure:
    """A mean loss with its interval; NaN where it is not known."""

    value: float = nan
    low: float = nan
    high: float = nan

    @property
    def is_known(self) -> bool:
        """Whether there is a value with bounds."""
        return isfinite(self.value) and isfinite(self.low) and isfinite(self.high)

    def holds(self, value: float) -> bool:
        """Whether a value is within the bounds."""
        return self.low <= value <= self.high


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of one cohort.

    Attributes:
        answered: Rows.
        labelled: Rows whose label has come.
        realised: Mean loss of the labelled rows, as they are.
        corrected: The same, corrected for labels that come early.
        estimated: Without labels.
        audited: From the audit.
        audit_asked: Rows drawn for the audit whose label is due.
        audit_rows: Those of them whose label has come.
    """

    answered: int
    labelled: int
    realised: Figure
    corrected: Figure
    estimated: Figure
    audited: Figure
    audit_asked: int
    audit_rows: int

    @property
    def coverage(self) -> float:
        """Share of rows whose label has come."""
        return self.labelled / self.answered if self.answered else 0.0


@dataclass(frozen=True)
class Verdict:
    """Which figure to believe.

    Attributes:
        belief: Its name.
        figure: The figure.
        reason: Why, in one sentence.
        concept_changed: Whether the audit or the labels contradict the estimate, which only a
            change of the relation between features and truth explains.
    """

    belief: Belief
    figure: Figure
    reason: str
    concept_changed: bool


def believe(known: Known) -> Verdict:
    """Return which figure to believe: truth before a sample of it, a sample before an estimate."""
    audit = known.audit_rows >= FEWEST_AUDITED and known.audited.is_known
    audit = audit and known.audit_rows >= ANSWERED_AUDIT * known.audit_asked
    share = f"{known.coverage:.0%} of the labels have come"
    whole = known.labelled >= FEWEST_LABELLED and known.realised.is_known
    if whole and known.coverage >= ALL_LABELS:
        if audit and not known.audited.holds(known.realised.value):
            reason = f"{share}, but the audit contradicts them: the others must differ."
            return _verdict(known, "audited", known.audited, reason)
        return _verdict(known, "realised", known.realised, f"{share}: this is the loss itself.")
    if audit:
        reason = f"{share}; {known.audit_rows} rows drawn at random hold whatever the world does."
        return _verdict(known, "audited", known.audited, reason)
    if whole and known.coverage >= SOME_LABELS and known.corrected.is_known:
        reason = f"{share}; corrected, as long as labels come as they did in earlier cohorts."
        return _verdict(known, "corrected", known.corrected, reason)
    if known.estimated.is_known:
        reason = (
            f"{share} and {known.audit_rows} rows are audited; the estimate is blind to a change "
            "of what the features mean."
        )
        return _verdict(known, "estimated", known.estimated, reason)
    reason = f"{share}, {known.audit_rows} rows are audited, and the version has no estimator."
    return Verdict("none", Figure(), reason, concept_changed=False)


def _verdict(known: Known, belief: Belief, figure: Figure, reason: str) -> Verdict:
    apart = (
        belief != "estimated"
        and known.estimated.is_known
        and (known.estimated.low > figure.high or known.estimated.high < figure.low)
    )
    if apart:
        reason += " The estimate lies outside: features no longer mean what they meant."
    return Verdict(belief, figure, reason, concept_changed=apart)
