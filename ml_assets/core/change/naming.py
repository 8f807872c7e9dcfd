"""The name of a change: broken data first, then classes, rows or relation, then what moved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml_assets.core.bootstrap import Estimate
from ml_assets.core.change.attribution import (
    Ask,
    Loss,
    Share,
    shares_of_faults,
    shares_of_relation,
    shares_of_rows,
    shares_of_slices,
    text_slices,
)
from ml_assets.core.change.decomposition import Decomposition, decompose
from ml_assets.core.change.faults.fault import Fault
from ml_assets.core.change.faults.search import data_faults
from ml_assets.core.change.grey_box import TRUTH, GreyBox
from ml_assets.core.change.label_shift import LabelShift, label_shift
from ml_assets.core.change.parameters import ParameterShift, shifts
from ml_assets.core.change.report import ChangeKind, ChangeReport
from ml_assets.core.change.rows import ComparedRows
from ml_assets.core.change.sentence import sentence

MIN_BIAS = 0.1  # standard deviations of the reference's residuals
MOST_SHARES = 8
Slices = Callable[[pd.DataFrame], Mapping[str, NDArray[np.bool_]]]


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of a change.

    Attributes:
        since: Start of the first window that drifted.
        until: Moment of the look.
        drifted: Features that the drift rule found.
        signed: Whether prediction and truth are numbers.
        loss: The problem's loss, one a row.
        ask: Asks the stored model again.
        metric: Name of the loss, for people.
        grey_box: The user's physical model, if there is one.
        slices: Returns which rows of a frame belong to each declared slice, by name.
        seed: Of all that is drawn.
    """

    since: datetime
    until: datetime
    drifted: tuple[str, ...]
    signed: bool
    loss: Loss
    ask: Ask
    metric: str
    grey_box: GreyBox | None = None
    slices: Slices | None = None
    seed: int = 0


def name_change(reference: ComparedRows, recent: ComparedRows, question: Question) -> ChangeReport:
    """Name a change from the rows before and since.

    Args:
        reference: Rows that the version answered before the change, in order of time.
        recent: Rows since, in order of time. They may begin a little before the drift was seen:
            a fault is dated by them.
        question: What is asked.
    """
    faults = data_faults(reference, recent, seed=question.seed)
    recent = recent.since(np.datetime64(question.since.replace(tzinfo=None), "us"))
    found = decompose(reference, recent, signed=question.signed, seed=question.seed)
    classes = _classes(reference, recent, question, found)
    parameters = _parameters(reference, recent, question) if not faults else ()
    kind = _kind(found, classes, parameters, question, broken=bool(faults))
    report = ChangeReport(
        kind=kind,
        since=min((fault.since for fault in faults), default=question.since),
        until=question.until,
        sentence="",
        columns=question.drifted,
        decomposition=found,
        shares=_shares(
            reference.labelled, recent.labelled, question, kind=kind, faults=faults, found=found
        ),
        faults=faults,
        parameters=parameters,
        reference_rows=len(reference),
        recent_rows=len(recent),
        labelled=len(recent.labelled),
    )
    return replace(report, sentence=sentence(report, metric=question.metric, classes=classes))


def _kind(
    found: Decomposition | None,
    classes: LabelShift | None,
    parameters: tuple[ParameterShift, ...],
    question: Question,
    *,
    broken: bool,
) -> ChangeKind:
    if broken:
        return "data_fault"
    if classes is not None and classes.moved and classes.answers_kept:
        return "label"
    if any(one.moved for one in parameters):
        return "concept"
    if found is None or not found.overlaps:
        return "covariate" if question.drifted else "cannot_tell"
    relation = _beyond_zero(found.concept) or _biased(found)
    rows = _beyond_zero(found.covariate) or bool(question.drifted)
    if relation and not (
        _beyond_zero(found.covariate) and abs(found.covariate.value) > abs(found.concept.value)
    ):
        return "concept"
    return "covariate" if rows else "cannot_tell"


def _beyond_zero(estimate: Estimate) -> bool:
    return estimate.low > 0 or estimate.high < 0


def _biased(found: Decomposition) -> bool:
    return _beyond_zero(found.bias) and abs(found.bias.value) >= MIN_BIAS * found.noise


def _classes(
    reference: ComparedRows,
    recent: ComparedRows,
    question: Question,
    found: Decomposition | None,
) -> LabelShift | None:
    if question.signed or found is None:
        return None
    return label_shift(reference.labelled, recent.labelled, seed=question.seed)


def _parameters(
    reference: ComparedRows, recent: ComparedRows, question: Question
) -> tuple[ParameterShift, ...]:
    if question.grey_box is None:
        return ()
    sides = []
    for rows in (reference.labelled, recent.labelled):
        truth = pd.to_numeric(pd.Series(rows.truth), errors="coerce")
        sides.append((rows.frame.assign(**{TRUTH: truth}), pd.Series(rows.entity)))
    return shifts(question.grey_box, *sides)


def _shares(
    reference: ComparedRows,
    recent: ComparedRows,
    question: Question,
    *,
    kind: ChangeKind,
    faults: tuple[Fault, ...],
    found: Decomposition | None,
) -> tuple[Share, ...]:
    """Return shares of the change of the loss, where that is not noise."""
    if found is None or not _beyond_zero(found.total):
        return ()
    seed = question.seed
    match kind:
        case "data_fault":
            first = shares_of_faults(
                reference, recent, faults, ask=question.ask, loss=question.loss, seed=seed
            )
        case "covariate":
            first = shares_of_rows(reference, recent, seed=seed)
        case _:
            first = shares_of_relation(
                reference, recent, loss=question.loss, signed=question.signed, seed=seed
            )
    slices = dict(text_slices(reference, recent))
    if question.slices is not None:
        before, since = question.slices(reference.frame), question.slices(recent.frame)
        slices |= {name: (before[name], since[name]) for name in before if name in since}
    parts = shares_of_slices(reference, recent, slices, seed=seed)
    return (*first[:MOST_SHARES], *parts[:MOST_SHARES])
