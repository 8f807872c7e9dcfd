"""The answers to a batch as columns: for each row what the server would say to it alone.

A row that the server would refuse has no prediction, and the reason beside it. Names are those of
the prediction log: ``low`` and ``high`` of numbers, ``prediction_set`` of classes,
``raw_prediction`` for what the model itself said, ``intervention`` for what changed it.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

import pyarrow as pa

from ml_assets.core.answering import Answering, Answers
from ml_assets.core.feature_values import FeatureValues
from ml_assets.core.problem.learning import Task
from ml_assets.core.request_rows import Refused

_NUMBERS = dict.fromkeys(("prediction", "low", "high", "raw_prediction"), pa.float64())
_CLASSES: Mapping[str, pa.DataType] = {
    "prediction": pa.string(),
    "prediction_set": pa.list_(pa.string()),
    "raw_prediction": pa.string(),
}
_BOTH: Mapping[str, pa.DataType] = {
    "unfamiliar": pa.bool_(),
    "intervention": pa.string(),
    "refusal": pa.string(),
}


def schema_of(task: Task) -> pa.Schema:
    """Return the columns of a batch's answers; classes are texts."""
    return pa.schema({**(_NUMBERS if task == "regression" else _CLASSES), **_BOTH})


def batch_answers(answering: Answering, inputs: FeatureValues, task: Task) -> pa.Table:
    """Return the answer to each row and what is said beside it, n rows of :func:`schema_of`.

    Args:
        answering: Of the release.
        inputs: The n rows.
        task: Of the problem.
    """
    rows = len(inputs)
    outcomes = answering.ask(inputs, [rows]) if rows else []
    if any(isinstance(one, Refused) for one in outcomes):
        # One row must not cost the others their answers.
        outcomes = answering.ask(inputs, [1] * rows)
    schema = schema_of(task)
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    for outcome in outcomes:
        said = dict(_refused(outcome) if isinstance(outcome, Refused) else _answered(outcome))
        for name, column in columns.items():
            column.extend(said.get(name) or [None] * _length(outcome))
    if task != "regression":
        for name in ("prediction", "raw_prediction"):
            columns[name] = [None if one is None else str(one) for one in columns[name]]
    return pa.table(columns, schema)


def _length(outcome: Answers | Refused) -> int:
    return 1 if isinstance(outcome, Refused) else len(outcome.predictions)


def _refused(refused: Refused) -> Iterator[tuple[str, Sequence[Any]]]:
    yield "refusal", ["; ".join(fault.message for fault in refused.faults)]
    if any(fault.rule == "unfamiliar" for fault in refused.faults):
        yield "unfamiliar", [True]


def _answered(answers: Answers) -> Iterator[tuple[str, Sequence[Any]]]:
    beside = answers.beside
    raw = None if beside is None else beside.raw
    yield from (("prediction", answers.predictions), ("raw_prediction", raw or answers.predictions))
    if beside is None:
        return
    if beside.intervals is not None:
        lows, highs = zip(*beside.intervals, strict=True)
        yield from (("low", lows), ("high", highs))
    if beside.sets is not None:
        yield "prediction_set", [[str(name) for name in one] for one in beside.sets]
    if beside.unfamiliar is not None:
        yield "unfamiliar", beside.unfamiliar
    if beside.intervention is not None:
        yield "intervention", list(repeat(beside.intervention, len(answers.predictions)))
