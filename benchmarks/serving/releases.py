"""The benchmark's problem: 14 columns, no history, and the usual scikit-learn pipeline."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from ml_assets.core.compiled import compile_model
from ml_assets.core.contract import Column, Contract
from ml_assets.core.feature_views import History
from ml_assets.core.golden import GoldenRows
from ml_assets.core.release import (
    COMPILED_FILE,
    CONTRACT_FILE,
    GOLDEN_FILE,
    HISTORY_FILE,
    LABELS_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    RELEASE_FILE,
    SQL_FILE,
    Release,
    manifest_of,
)
from ml_assets.storage.model_files import save

START = datetime(2024, 1, 1, tzinfo=UTC)
NUMBERS = tuple(f"x{n:02d}" for n in range(12))
TEXTS = ("site", "grade")
COLUMNS = (*NUMBERS, *TEXTS)
LEVELS = {"site": ("north", "south", "west"), "grade": ("a", "b", "c", "d", "e")}
SQL = f"SELECT event_time, {', '.join(COLUMNS)} FROM validated_data"
CONTRACT = Contract(
    (
        *(Column(name, "float", nullable=True) for name in NUMBERS),
        *(Column(name, "string", allowed=levels) for name, levels in LEVELS.items()),
    )
)
MAX_ROWS = 1000


def make_rows(count: int, *, seed: int, gaps: float = 0.02) -> pd.DataFrame:
    """Return rows, some numbers of which are missing.

    Numbers are steps of 1/64, as an analogue-digital converter gives them.
    """
    rng = np.random.default_rng(seed)
    numbers = np.round(rng.normal(0.0, 3.0, (count, len(NUMBERS))) * 64) / 64
    numbers = np.where(rng.random(numbers.shape) < gaps, np.nan, numbers)
    frame = pd.DataFrame(numbers, columns=list(NUMBERS))
    for name, levels in LEVELS.items():
        frame[name] = rng.choice(np.array(levels, dtype=object), count)
    return frame


def make_model(*, seed: int) -> Pipeline:
    """Return the fitted pipeline that every server answers with."""
    rows = make_rows(20_000, seed=seed)
    noise = np.random.default_rng(seed + 1).normal(0.0, 1.0, len(rows))
    known = rows[list(NUMBERS)].fillna(0.0).to_numpy()
    target = known[:, 0] * 2 + np.sin(known[:, 1]) * known[:, 2] + known[:, 3] ** 2 / 3
    target += rows["site"].map({"north": 0.0, "south": 2.0, "west": -1.0}) + noise
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), list(NUMBERS)),
            ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(TEXTS)),
        ]
    )
    trees = HistGradientBoostingRegressor(max_iter=200, random_state=seed)
    with threadpool_limits(limits=1):
        return Pipeline([("columns", columns), ("model", trees)]).fit(rows, target)


def make_release(model: Pipeline) -> dict[str, bytes]:
    """Return the files of a release with this model."""
    golden = make_rows(8, seed=101)
    past = pd.DataFrame({"event_time": [START], "known_at": [START]})
    past = past.astype("datetime64[us, UTC]").join(make_rows(1, seed=102))
    labels = past[["event_time", "known_at"]].assign(y=0.0)
    release = Release(
        problem="bench",
        version="v1",
        task="regression",
        keys=(),
        target="y",
        after_event=(),
        label_delay=timedelta(hours=1),
        time={"columns": ["event_time"], "format": "iso"},
        numeric=NUMBERS,
        categorical=TEXTS,
        classes=(),
        past_labels=(),
        reach=History(timedelta(0), timedelta(0)),
        max_rows=MAX_ROWS,
    )
    expected = tuple(model.predict(golden).tolist())
    moments = [START + timedelta(days=1, minutes=n) for n in range(len(golden))]
    rows = tuple(
        {**row, "event_time": moment.isoformat()}
        for row, moment in zip(plain_rows(golden), moments, strict=True)
    )
    compiled = compile_model(model, task="regression", numeric=NUMBERS, categorical=TEXTS)
    files = {
        COMPILED_FILE: compiled.to_bytes(),
        MODEL_FILE: save(model),
        SQL_FILE: SQL.encode(),
        CONTRACT_FILE: json.dumps(CONTRACT.to_json()).encode(),
        RELEASE_FILE: json.dumps(release.to_json()).encode(),
        HISTORY_FILE: _parquet(past),
        LABELS_FILE: _parquet(labels),
        GOLDEN_FILE: GoldenRows(rows, expected).to_json(),
    }
    return {**files, MANIFEST_FILE: manifest_of(files)}


def plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON holds them."""
    plain = frame.astype(object).where(frame.notna(), None)
    return plain.to_dict("records")


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()
