"""A small release with a real model: hourly rows of two pumps, and lags over their history."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits

from ml_assets.core.contract import Column, Contract
from ml_assets.core.feature_rows import run_features
from ml_assets.core.feature_views import ALL_LABELS, ALL_ROWS, History, show
from ml_assets.core.golden import GoldenRows, request_rows
from ml_assets.core.release import (
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
from ml_assets.core.window import Window
from ml_assets.storage.model_files import save

START = datetime(2024, 1, 1, tzinfo=UTC)
HOURS = 300
CONTRACT = Contract(
    (
        Column("pump", "string", allowed=("north", "south")),
        Column("load", "float", at_least=0.0, at_most=100.0, description="Load in percent."),
        Column("pm2.5", "float", nullable=True),
        Column("starts", "integer", at_least=0),
        Column("mode", "string", nullable=True, allowed=("eco", "full")),
    )
)
SQL = """
SELECT
    pump, event_time, load, "pm2.5", starts, mode,
    lag(load) OVER w AS load_before,
    avg(load) OVER (w RANGE BETWEEN INTERVAL 5 HOURS PRECEDING AND CURRENT ROW) AS load_mean,
    load * load * load * load AS load_4
FROM validated_data
WINDOW w AS (PARTITION BY pump ORDER BY event_time)
-- the end
"""
NUMERIC = ("load", "pm2.5", "starts", "load_before", "load_mean", "load_4")
CATEGORICAL = ("mode",)
RELEASE = Release(
    problem="pumps",
    version="v1",
    task="regression",
    keys=("pump",),
    target="wear",
    after_event=(),
    label_delay=timedelta(hours=1),
    time={"columns": ["measured_at"], "format": "iso"},
    numeric=NUMERIC,
    categorical=CATEGORICAL,
    classes=(),
    past_labels=(),
    reach=History(timedelta(hours=6), timedelta(days=1)),
    max_rows=50,
    latency_ms=2000.0,
)


def make_history(seed: int = 7) -> pd.DataFrame:
    """Return the validated rows of both pumps."""
    rng = np.random.default_rng(seed)
    times = pd.date_range(START, periods=HOURS, freq="h").astype("datetime64[us, UTC]")
    frames = []
    for pump in ("north", "south"):
        missing = rng.random(HOURS) < 0.1
        frame = pd.DataFrame({"pump": pump, "event_time": times, "known_at": times})
        frame["load"] = np.round(rng.uniform(0, 100, HOURS), 2)
        frame["pm2.5"] = np.where(missing, np.nan, rng.normal(10, 3, HOURS))
        frame["starts"] = rng.integers(0, 9, HOURS)
        frame["mode"] = rng.choice(np.array(["eco", "full", None], dtype=object), HOURS)
        frames.append(frame)
    return pd.concat(frames).sort_values(["event_time", "pump"], ignore_index=True)


def batch_features(history: pd.DataFrame) -> pd.DataFrame:
    """Return the features of all rows, computed at once as a backfill does."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("frame", history)
        connection.execute(f"CREATE TABLE {ALL_ROWS} AS SELECT * FROM frame")
        connection.execute(
            f"CREATE TABLE {ALL_LABELS} (pump VARCHAR, event_time TIMESTAMPTZ, "
            "wear DOUBLE, known_at TIMESTAMPTZ)"
        )
        window = Window(START, START + timedelta(hours=HOURS))
        show(connection, window, RELEASE.reach, known_by=window.end)
        query = RELEASE.query(SQL)
        return run_features(connection, query.between(window), identity=query.identity).frame


def fit(features: pd.DataFrame, *, seed: int, noise: float = 5.0) -> Pipeline:
    """Return a pipeline as training makes it; noise in the truth makes it worse."""
    rng = np.random.default_rng(seed)
    wear = features["load_mean"] + features["starts"] + rng.normal(0, noise, len(features))
    columns = ColumnTransformer(
        [
            ("numbers", "passthrough", list(NUMERIC)),
            (
                "texts",
                OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                list(CATEGORICAL),
            ),
        ],
        verbose_feature_names_out=False,
    )
    trees = HistGradientBoostingRegressor(max_iter=20, random_state=seed)
    model = Pipeline([("columns", columns), ("model", trees)])
    with threadpool_limits(limits=1):
        return model.fit(features[[*NUMERIC, *CATEGORICAL]], wear)


def parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def seal(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return files with a manifest that fits them."""
    return {**files, MANIFEST_FILE: manifest_of(files)}


def make_release(
    *, version: str = "v1", seed: int = 1, golden: int = 6, noise: float = 5.0
) -> dict[str, bytes]:
    """Return the files of a whole release; another seed gives another model."""
    history = make_history()
    features = batch_features(history)
    model = fit(features, seed=seed, noise=noise)
    newest = features.tail(golden)
    expected = model.predict(newest[[*NUMERIC, *CATEGORICAL]])
    labels = pd.DataFrame(
        {
            "pump": pd.Series(dtype=object),
            "event_time": pd.Series(dtype="datetime64[us, UTC]"),
            "wear": pd.Series(dtype="float64"),
            "known_at": pd.Series(dtype="datetime64[us, UTC]"),
        }
    )
    rows = request_rows(history.tail(golden), CONTRACT)
    files = {
        MODEL_FILE: save(model),
        SQL_FILE: SQL.encode(),
        CONTRACT_FILE: json.dumps(CONTRACT.to_json()).encode(),
        RELEASE_FILE: json.dumps(replace(RELEASE, version=version).to_json()).encode(),
        HISTORY_FILE: parquet(history),
        LABELS_FILE: parquet(labels),
        GOLDEN_FILE: GoldenRows(rows, tuple(expected.tolist())).to_json(),
    }
    return seal(files)


def make_classifier_release(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return a release like ``files`` that predicts whether a pump is busy or idle."""
    history = make_history()
    features = batch_features(history)
    inputs = features[list(NUMERIC)].fillna(0)
    busy = np.where(features["load"] > 50, "busy", "idle")
    model = RandomForestClassifier(n_estimators=5, random_state=0).fit(inputs, busy)
    without_gaps = (
        SQL.replace("lag(load) OVER w", "coalesce(lag(load) OVER w, 0)")
        .replace('"pm2.5", starts', 'coalesce("pm2.5", 0) AS "pm2.5", starts')
        .encode()
    )
    release = replace(RELEASE, task="binary", categorical=(), classes=("busy", "idle"), max_rows=2)
    newest = inputs.tail(4)
    golden = GoldenRows(
        request_rows(history.tail(4), CONTRACT),
        tuple(model.predict(newest).tolist()),
        tuple(tuple(row) for row in model.predict_proba(newest).tolist()),
    )
    changed = {
        SQL_FILE: without_gaps,
        MODEL_FILE: save(model),
        RELEASE_FILE: json.dumps(release.to_json()).encode(),
        GOLDEN_FILE: golden.to_json(),
    }
    return seal({**files, **changed})


def with_max_rows(files: dict[str, bytes], rows: int) -> dict[str, bytes]:
    """Return the same release that takes larger requests."""
    release = {**json.loads(files[RELEASE_FILE]), "max_rows": rows}
    return seal({**files, RELEASE_FILE: json.dumps(release).encode()})
