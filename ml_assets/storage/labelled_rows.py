"""What the serving version said of rows whose truth is known, as corrections are learned from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd

from ml_assets.core.assurer import Assurer
from ml_assets.core.correction_evidence import LabelledRows
from ml_assets.core.feature_query import literal, quoted
from ml_assets.core.release import Release
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.label_tables import known_by
from ml_assets.storage.lake import Lake
from ml_assets.storage.production import LOG_COLUMNS

MOST_ROWS = 20_000


@dataclass(frozen=True)
class ServedModel:
    """The release that serves, as far as its answers are judged.

    Attributes:
        release: What it says of itself.
        assurer: What it says beside its predictions.
        digest: Name of its files.
    """

    release: Release
    assurer: Assurer
    digest: str


def labelled_rows(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    declared: DeclaredProblem,
    served: ServedModel,
    window: Window,
) -> LabelledRows:
    """Return the latest labelled rows that a version answered up to the end of a window.

    Labels that became known after the window's end are left out. What is returned is what the
    model itself said, whatever callers were told.
    """
    problem = declared.problem
    target = quoted(problem.label.column)
    keys = {key: declared.contract.contract.column(key).sql_type for key in problem.keys}
    lake.register(
        connection, table_name(declared, "prediction_log"), name="log", columns=LOG_COLUMNS | keys
    )
    lake.register(connection, table_name(declared, "labels"), name="truths")
    identity = ", ".join(quoted(name) for name in problem.identity)
    frame = connection.execute(
        f"""
        SELECT l.event_time, t.known_at, l.raw_prediction, l.raw_probabilities, l.features,
               t.{target} AS truth
        FROM log AS l JOIN {known_by("truths", window.end)} AS t USING ({identity})
        WHERE l.version = ? AND l.raw_prediction IS NOT NULL AND t.{target} IS NOT NULL
          AND l.event_time < {literal(window.end)}
        ORDER BY l.event_time DESC LIMIT {MOST_ROWS}
        """,
        [served.release.version],
    ).df()
    frame = frame.iloc[::-1].reset_index(drop=True)
    release = served.release
    if release.task == "regression":
        truth = frame["truth"].to_numpy(dtype=np.float64)
        said = frame["raw_prediction"].to_numpy(dtype=np.float64)
    else:
        truth, said = _classes(frame, release)
    known = np.isfinite(truth) & (truth >= 0 if release.classes else True)
    fallback = _fallback(frame, served) if served.assurer.fallback else None
    rows = LabelledRows(
        _moments(frame["event_time"]),
        _moments(frame["known_at"]),
        truth,
        said,
        fallback,
    )
    return rows.rows(known)


def _classes(frame: pd.DataFrame, release: Release) -> tuple[np.ndarray, np.ndarray]:
    """Return the place of each true class, -1 for one that is new, and all probabilities."""
    names = [str(one) for one in release.classes]
    places = {
        name.lower() if name in {"True", "False"} else name: n for n, name in enumerate(names)
    }
    truth = [places.get(_text(value), -1) for value in frame["truth"].tolist()]
    shares = [_shares(text, names) for text in frame["raw_probabilities"].tolist()]
    said = np.array(shares, dtype=np.float64).reshape(len(frame), len(names))
    codes = np.where(np.isfinite(said).all(axis=1), np.array(truth, dtype=np.int64), -1)
    return codes, said


def _text(value: object) -> str:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bool):
        return str(plain).lower()
    # A column of whole numbers with a gap comes as floats.
    return str(int(plain)) if isinstance(plain, float) and plain.is_integer() else str(plain)


def _shares(text: str | None, names: list[str]) -> list[float]:
    found: Mapping[str, float] = json.loads(text) if isinstance(text, str) else {}
    return [found.get(name, np.nan) for name in names]


def _fallback(frame: pd.DataFrame, served: ServedModel) -> np.ndarray | None:
    """Return what the baseline says of the same rows, from their logged features."""
    release, model = served.release, served.assurer.fallback
    if model is None or frame.empty:
        return None
    names = release.feature_names
    values = pd.DataFrame([json.loads(text) for text in frame["features"]])
    columns = {name: values[name].to_numpy() for name in names.all}
    for name in names.numeric:
        columns[name] = pd.to_numeric(values[name]).to_numpy(dtype=np.float64)
    if release.task == "regression":
        for name in names.past_labels:
            columns[name] = pd.to_numeric(values[name]).to_numpy(dtype=np.float64)
    found = model.predict(names.values(columns, len(frame)))
    return found.values if found.probabilities is None else found.probabilities


def _moments(column: pd.Series) -> np.ndarray:
    utc = pd.to_datetime(column, utc=True).dt.tz_localize(None)
    return utc.to_numpy(dtype="datetime64[us]")
