"""What each version must say of each row: the batch's features, and scikit-learn's answer."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import duckdb
import pandas as pd

from ml_assets.core.feature_rows import run_features
from ml_assets.core.feature_views import ALL_LABELS, ALL_ROWS, show
from ml_assets.core.release import MODEL_FILE
from ml_assets.core.window import Window
from ml_assets.storage.model_files import load
from ml_assets_tests.serving.mixed_load.journal import Row
from ml_assets_tests.serving.mixed_load.rows import SCHEMA
from ml_assets_tests.serving.releases import CATEGORICAL, NUMERIC, RELEASE, SQL, make_history

Identity = tuple[str, str]


def expected_predictions(
    rows: Iterable[Row], releases: Mapping[str, Mapping[str, bytes]]
) -> dict[Identity, dict[str, float]]:
    """Return the answer of each version to each row, by pump and event time.

    Each pump's rows were asked in the order of their times, so that what a row may see is what
    happened before it: one run of features.sql over all rows knows no more and no less.
    """
    named = {(row["pump"], row["event_time"]): row for row in rows}
    features = _features(list(named.values()))
    inputs = features[[*NUMERIC, *CATEGORICAL]]
    said = {version: load(files[MODEL_FILE]).predict(inputs) for version, files in releases.items()}
    identities = zip(features["pump"], features["event_time"], strict=True)
    return {
        (pump, moment.isoformat()): {version: float(said[version][n]) for version in said}
        for n, (pump, moment) in enumerate(identities)
    }


def _features(rows: list[Row]) -> pd.DataFrame:
    typed = [{**row, "event_time": datetime.fromisoformat(row["event_time"])} for row in rows]
    frame = pd.DataFrame(typed, columns=SCHEMA.names)
    frame["event_time"] = frame["event_time"].astype("datetime64[us, UTC]")
    frame["pm2.5"] = frame["pm2.5"].astype("float64")
    frame["known_at"] = frame["event_time"]
    every = pd.concat([make_history(), frame], ignore_index=True)
    window = Window(
        frame["event_time"].min().to_pydatetime(),
        frame["event_time"].max().to_pydatetime() + timedelta(microseconds=1),
    )
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("frame", every)
        connection.execute(f"CREATE TABLE {ALL_ROWS} AS SELECT * FROM frame")
        connection.execute(
            f"CREATE TABLE {ALL_LABELS} (pump VARCHAR, event_time TIMESTAMPTZ, wear DOUBLE, "
            "known_at TIMESTAMPTZ)"
        )
        show(connection, window, RELEASE.reach, known_by=window.end)
        query = RELEASE.query(SQL)
        return run_features(connection, query.between(window), identity=query.identity).frame
