"""Fitted models of every family that compiles, on rows with gaps, ties and rare categories."""

import warnings
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn import ensemble, linear_model, svm, tree
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

from ml_assets.core.compiled import CompiledModel, compile_model
from ml_assets.core.preparation import prepared

NUMERIC = ("load", "heat", "count", "empty", "constant")
CATEGORICAL = ("rig", "mode")
ROWS = 600


@cache
def training_frame(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "load": np.round(rng.normal(0, 1, rows), 2),
            "heat": rng.normal(20, 5, rows),
            "count": rng.integers(0, 9, rows).astype(float),
            "empty": np.full(rows, np.nan),
            "constant": np.full(rows, 7.0),
            "rig": rng.choice(np.array(["a", "b", "c", "d", "e", None], dtype=object), rows),
            "mode": rng.choice(np.array(["eco", "full", "Ω"], dtype=object), rows),
        }
    )
    frame.loc[:2, "rig"] = "rare"
    for name in ("load", "heat"):
        frame.loc[rng.random(rows) < 0.1, name] = np.nan
    return frame


def labels(task: str, frame: pd.DataFrame) -> np.ndarray:
    rng = np.random.default_rng(1)
    signal = (
        2 * frame["load"].fillna(0)
        + 0.3 * frame["heat"].fillna(17)
        + np.sin(frame["count"])
        + 2 * (frame["rig"] == "b")
        - (frame["mode"] == "eco")
        + rng.normal(0, 1, len(frame))
    ).to_numpy()
    if task == "regression":
        return np.abs(signal)
    if task == "binary":
        return signal > np.median(signal)
    edges = np.quantile(signal, np.linspace(0, 1, 11)[1:-1])
    return np.array([f"class {n}" for n in np.digitize(signal, edges)])


def own(estimator: Any, **more: Any) -> Pipeline:
    return prepared(estimator, numeric=NUMERIC, categorical=CATEGORICAL, **more)


def boosted(estimator: Any) -> Pipeline:
    """As our own preparation does for an estimator that takes NaN; but no empty column."""
    return prepared(estimator, numeric=NUMERIC[:3], categorical=CATEGORICAL)


def usual(estimator: Any) -> Pipeline:
    """What most tutorials write."""
    numbers = Pipeline([("fill", SimpleImputer()), ("scale", StandardScaler())])
    columns = [
        ("numbers", numbers, list(NUMERIC[:3])),
        ("texts", OneHotEncoder(handle_unknown="ignore"), list(CATEGORICAL)),
    ]
    return Pipeline([("columns", ColumnTransformer(columns)), ("model", estimator)])


def ordinal(estimator: Any) -> Pipeline:
    texts = Pipeline(
        [
            ("fill", SimpleImputer(strategy="constant", fill_value="none", missing_values=None)),
            ("code", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)),
            ("scale", MinMaxScaler()),
        ]
    )
    columns = ColumnTransformer(
        [
            ("robust", RobustScaler(), ["heat"]),
            ("texts", texts, ["rig", "mode"]),
            ("counted", OneHotEncoder(handle_unknown="ignore", drop="first"), ["count"]),
            ("left out", "drop", ["empty"]),
        ],
        remainder="passthrough",
        sparse_threshold=0.0,
    )
    steps = [("columns", columns), ("fill", SimpleImputer(add_indicator=True))]
    steps += [("varying", VarianceThreshold()), ("scale", MaxAbsScaler()), ("model", estimator)]
    return Pipeline(steps)


def numbers_only(estimator: Any) -> Pipeline:
    columns = [("clipped", MinMaxScaler(clip=True), ["heat"]), ("as is", "passthrough", ["load"])]
    return Pipeline([("columns", ColumnTransformer(columns)), ("model", estimator)])


@dataclass(frozen=True)
class Case:
    name: str
    task: str
    pipeline: Any = field(compare=False)
    takes_infinity: bool = False

    def fitted(self) -> tuple[Any, CompiledModel]:
        return _fitted(self)


@cache
def _fitted(case: Case) -> tuple[Any, CompiledModel]:
    frame = training_frame()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "Skipping features without any observed values")
        model = case.pipeline.fit(frame, labels(case.task, frame))
    compiled = compile_model(model, task=case.task, numeric=NUMERIC, categorical=CATEGORICAL)
    return model, CompiledModel.from_bytes(compiled.to_bytes())


def _boosting(**more: Any) -> dict[str, Any]:
    return {"max_iter": 30, "random_state": 0, "early_stopping": False, **more}


FEW = {"n_estimators": 9, "random_state": 0}
HGR, HGC = ensemble.HistGradientBoostingRegressor, ensemble.HistGradientBoostingClassifier
TREES = (
    Case("boosted", "regression", boosted(HGR(**_boosting())), takes_infinity=True),
    Case("boosted counts", "regression", boosted(HGR(**_boosting(loss="poisson")))),
    Case(
        "boosted, 64 leaves",
        "regression",
        boosted(HGR(**_boosting(max_leaf_nodes=64, min_samples_leaf=2))),
    ),
    Case(
        "boosted, large",
        "regression",
        boosted(HGR(**_boosting(max_leaf_nodes=65, min_samples_leaf=2))),
    ),
    Case("boosted, stumps", "regression", boosted(HGR(**_boosting(max_leaf_nodes=2)))),
    Case(
        "boosted, usual",
        "regression",
        usual(HGR(**_boosting())).set_params(columns__sparse_threshold=0.0),
    ),
    Case("boosted, ordinal", "regression", ordinal(HGR(**_boosting()))),
    Case("boosted, of numbers", "regression", numbers_only(HGR(**_boosting()))),
    Case(
        "boosted log",
        "regression",
        prepared(
            HGR(**_boosting()),
            numeric=NUMERIC[:3],
            categorical=CATEGORICAL,
            target_transform="log1p",
        ),
    ),
    Case("boosted two", "binary", boosted(HGC(**_boosting())), takes_infinity=True),
    Case("boosted ten", "multiclass", boosted(HGC(**_boosting(max_iter=8))), takes_infinity=True),
    Case("forest", "regression", own(ensemble.RandomForestRegressor(**FEW))),
    Case("forest, shallow", "regression", own(ensemble.RandomForestRegressor(max_depth=4, **FEW))),
    Case("forest, sparse", "regression", usual(ensemble.RandomForestRegressor(**FEW))),
    Case("forest two", "binary", own(ensemble.RandomForestClassifier(**FEW))),
    Case("forest ten", "multiclass", own(ensemble.RandomForestClassifier(max_depth=3, **FEW))),
    Case("extra trees", "regression", own(ensemble.ExtraTreesRegressor(**FEW))),
    Case("extra trees ten", "multiclass", own(ensemble.ExtraTreesClassifier(**FEW))),
    Case("gradient", "regression", own(ensemble.GradientBoostingRegressor(**FEW))),
    Case(
        "gradient from zero",
        "regression",
        own(ensemble.GradientBoostingRegressor(init="zero", **FEW)),
    ),
    Case("gradient two", "binary", own(ensemble.GradientBoostingClassifier(**FEW))),
    Case(
        "gradient exponential",
        "binary",
        own(ensemble.GradientBoostingClassifier(loss="exponential", **FEW)),
    ),
    Case("gradient ten", "multiclass", own(ensemble.GradientBoostingClassifier(**FEW))),
    Case("tree", "regression", own(tree.DecisionTreeRegressor(random_state=0))),
    Case("tree two", "binary", ordinal(tree.DecisionTreeClassifier(random_state=0, max_depth=4))),
    Case("extra tree", "regression", own(tree.ExtraTreeRegressor(random_state=0))),
)
LINEAR = (
    Case("ridge", "regression", own(linear_model.Ridge())),
    Case("ridge, usual", "regression", usual(linear_model.Ridge())),
    Case("ridge, ordinal", "regression", ordinal(linear_model.Ridge())),
    Case("ridge log", "regression", own(linear_model.Ridge(), target_transform="log1p")),
    Case("least squares", "regression", own(linear_model.LinearRegression())),
    Case("lasso", "regression", own(linear_model.Lasso(alpha=0.01))),
    Case("elastic net", "regression", own(linear_model.ElasticNet(alpha=0.01))),
    Case("descent", "regression", own(linear_model.SGDRegressor(random_state=0))),
    Case("huber", "regression", own(linear_model.HuberRegressor(max_iter=1000))),
    Case("poisson", "regression", own(linear_model.PoissonRegressor())),
    Case("logistic two", "binary", own(linear_model.LogisticRegression())),
    Case("logistic ten", "multiclass", own(linear_model.LogisticRegression())),
    Case("descent two", "binary", own(linear_model.SGDClassifier(loss="log_loss", random_state=0))),
    Case(
        "descent ten",
        "multiclass",
        own(linear_model.SGDClassifier(loss="log_loss", random_state=0)),
    ),
    Case("hinge ten", "multiclass", own(linear_model.SGDClassifier(random_state=0))),
    Case("ridge two", "binary", own(linear_model.RidgeClassifier())),
    Case("vectors two", "binary", own(svm.LinearSVC(random_state=0))),
)
CASES = (*TREES, *LINEAR)
