"""Compiled models against scikit-learn: one row and many, the same pipeline, in one process.

The pipelines are what most people write: numbers filled and scaled, categories as one-hot columns,
and an estimator. Both sides take turns and are timed by the
processor time of their thread, so that what else the machine does matters little.

    python -m benchmarks.compiled_models
"""

import time
from statistics import median

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from ml_assets.core.compiled import CompiledModel, compile_model

ROWS = 6000
NUMERIC = tuple(f"x{n}" for n in range(12))
CATEGORICAL = ("site", "mode")
BATCH = 1000
TURNS = {1: 15, BATCH: 15}
CALLS = {1: 20, BATCH: 1}  # between two looks at the clock, which itself takes a while
BOOSTED = {"max_iter": 200, "early_stopping": False, "random_state": 0}
FORTY = {"max_iter": 40, "early_stopping": False, "random_state": 0}
HUNDRED = {"n_estimators": 100, "random_state": 0}
MODELS = {
    "HistGradientBoosting, 200 trees": HistGradientBoostingRegressor(**BOOSTED),
    "HistGradientBoosting, 5 classes x 40": HistGradientBoostingClassifier(**FORTY),
    "GradientBoosting, 200 trees": GradientBoostingRegressor(n_estimators=200, random_state=0),
    "RandomForest, 100 trees": RandomForestRegressor(**HUNDRED),
    "ExtraTrees, 100 trees": ExtraTreesRegressor(**HUNDRED),
    "Ridge": Ridge(),
    "LogisticRegression, 2 classes": LogisticRegression(max_iter=1000),
}


def made_rows():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(ROWS, len(NUMERIC))), columns=list(NUMERIC))
    frame = frame.mask(rng.random(frame.shape) < 0.02)
    frame["site"] = rng.choice(list("abcdefgh"), ROWS)
    frame["mode"] = rng.choice(["eco", "full", "off"], ROWS)
    signal = frame["x0"].fillna(0) ** 2 + 2 * frame["x1"].fillna(1) + (frame["site"] == "c")
    return frame, (signal + rng.normal(size=ROWS)).to_numpy()


def pipeline(estimator):
    numbers = Pipeline([("fill", SimpleImputer()), ("scale", StandardScaler())])
    texts = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = [("numbers", numbers, list(NUMERIC)), ("texts", texts, list(CATEGORICAL))]
    return Pipeline([("columns", ColumnTransformer(columns)), ("model", estimator)])


def in_turns(turns, *calls, repeated=1):
    """Return the median processor time of each call in microseconds."""
    times = [[] for _ in calls]
    for _ in range(turns):
        for call, kept in zip(calls, times, strict=True):
            began = time.thread_time()
            for _ in range(repeated):
                call()
            kept.append((time.thread_time() - began) / repeated)
    return [median(kept) * 1e6 for kept in times]


def measure(name, estimator):
    frame, y = made_rows()
    classes = 5 if "5 classes" in name else 2 if "Logistic" in name else 0
    task = {0: "regression", 2: "binary", 5: "multiclass"}[classes]
    if classes:
        y = np.digitize(y, np.quantile(y, np.linspace(0, 1, classes + 1)[1:-1]))
    model = pipeline(estimator).fit(frame, y)
    compiled = compile_model(model, task=task, numeric=NUMERIC, categorical=CATEGORICAL)
    content = compiled.to_bytes()
    (load,) = in_turns(5, lambda: CompiledModel.from_bytes(content))
    ask = model.predict_proba if classes else model.predict
    bare = model[-1].predict_proba if classes else model[-1].predict
    numbers = frame[list(NUMERIC)].to_numpy()
    figures = []
    for rows, turns in TURNS.items():
        few, part = frame.head(rows), numbers[:rows]
        texts = [few[column].tolist() for column in CATEGORICAL]
        prepared = model[:-1].transform(few)
        mine, alone, whole = in_turns(
            turns,
            lambda part=part, texts=texts: compiled.predict(part, texts),
            lambda prepared=prepared: bare(prepared),
            lambda few=few: ask(few),
            repeated=CALLS[rows],
        )
        figures += [f"{mine:.0f}", f"{alone / mine:.1f}x", f"{whole / mine:.1f}x"]
    found = compiled.predict(numbers, [frame[column].tolist() for column in CATEGORICAL])
    answered = found.probabilities if classes else found.values
    apart = np.abs(answered - ask(frame)).max()
    print("|", " | ".join([name, *figures, f"{apart:.1e}", f"{load / 1e3:.1f}"]), "|")


def main():
    heads = ["model", "1 row us", "estimator", "pipeline", f"{BATCH} rows us", "estimator"]
    heads += ["pipeline", "largest difference", "load ms"]
    print("|", " | ".join(heads), "|")
    print("|" + "---|" * len(heads))
    with threadpool_limits(limits=1):
        for name, estimator in MODELS.items():
            measure(name, estimator)


if __name__ == "__main__":
    main()
