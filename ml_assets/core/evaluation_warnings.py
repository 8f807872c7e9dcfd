"""What a reader of an evaluation is warned of: scores too good to be true, classes never seen."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ml_assets.core.diagnostics import Importance
from ml_assets.core.judged_model import JudgedModel
from ml_assets.core.metrics import FloatArray, row_loss
from ml_assets.core.training import plain_labels
from ml_assets.core.training_set import TrainingSet
from ml_assets.core.walk_forward import Walk

# Share of the best rule's loss that is left: of its log loss, or of its squared error (R2 above
# 0.999). Where one feature carries almost all, five times as much is still too good.
TOO_LITTLE = {"regression": 0.001, "binary": 0.01, "multiclass": 0.01}
OF_ONE_FEATURE = 5
ALMOST_ALL = 0.9
MOST_NAMED = 3


def too_good(judged: Sequence[JudgedModel], importance: Sequence[Importance]) -> tuple[str, ...]:
    """Warn of a best candidate that is nearly perfect, and name what it lives on.

    It is compared with the best rule, not with the typical value alone: where tomorrow is as today,
    persistence is nearly perfect as well, and nothing is wrong.

    Args:
        judged: All models.
        importance: Of the candidates' features.
    """
    learned = [model for model in judged if model.answers.kind == "candidate"]
    rules = [model for model in judged if model.answers.kind == "baseline"]
    if not learned:
        return ()
    best = min(learned, key=lambda model: float(_loss(model).mean()))
    rule = min([_constant_loss(best), *(float(_loss(model).mean()) for model in rules)])
    left = float(_loss(best).mean()) / rule if rule > 0 else 1.0
    name = best.answers.name
    carried = {one.feature: one.mean for one in importance if one.model == name and one.mean > 0}
    ranked = sorted(carried, key=lambda feature: -carried[feature])
    alone = bool(ranked) and carried[ranked[0]] >= ALMOST_ALL * sum(carried.values())
    if left >= TOO_LITTLE[best.problem.task] * (OF_ONE_FEATURE if alone else 1):
        return ()
    features = ", ".join(ranked[: 1 if alone else MOST_NAMED]) or "no feature stands out"
    text = (
        f"This is too good: look for a column that gives the target away: {features}. "
        f"{name} leaves {left:.2g} of the loss of the best rule."
    )
    return (text,)


def _loss(model: JudgedModel) -> FloatArray:
    metric = "rmse" if model.problem.task == "regression" else "log_loss"
    return row_loss(metric, model.y, model.answers.predictions)


def _constant_loss(model: JudgedModel) -> float:
    """Return the mean loss of the best constant answer: the mean, or the share of each class."""
    if model.problem.task == "regression":
        return float(np.var(np.asarray(model.y, np.float64)))
    shares = np.unique(model.y, return_counts=True)[1] / len(model.y)
    return float(-(shares * np.log(shares)).sum())


def new_classes(walk: Walk, training_set: TrainingSet) -> tuple[str, ...]:
    """Warn of judged rows of a class that the training rows of their fold never had.

    Args:
        walk: The judged rows.
        training_set: All rows, to which the folds point.
    """
    if not walk.classes:
        return ()
    labels, unseen = plain_labels(training_set), []
    for fold in walk.folds:
        judged = labels[fold.test]
        unseen += judged[~np.isin(judged, labels[fold.train])].tolist()
    return tuple(
        f"{rows:,} judged rows are {name!r}, a class that the rows before their fold never had: "
        "no model could answer it."
        for name, rows in pd.Series(unseen, dtype=object).value_counts().sort_index().items()
    )
