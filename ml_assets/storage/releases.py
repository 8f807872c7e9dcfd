"""Releases: all that a server needs to answer, taken from the lake and a fitted model."""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml_assets.core.assurance import Assurance
from ml_assets.core.evaluator import Compiled, Evaluator, ScikitLearn
from ml_assets.core.feature_query import literal, quoted
from ml_assets.core.golden import GoldenRows, request_rows, tolerance_between
from ml_assets.core.rate_limit import RateLimit
from ml_assets.core.release import (
    ASSURANCE_FILE,
    COMPILED_FILE,
    CONTRACT_FILE,
    FALLBACK_FILE,
    GOLDEN_FILE,
    HISTORY_FILE,
    LABELS_FILE,
    MODEL_FILE,
    REFERENCES_FOLDER,
    RELEASE_FILE,
    SQL_FILE,
    Release,
)
from ml_assets.core.row_bounds import RowBounds
from ml_assets.core.training_set import TrainingSet
from ml_assets.core.window import Window
from ml_assets.storage.assurances import compiled_fallback
from ml_assets.storage.compiling import compiled_or_reason
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import compute_features, table_name
from ml_assets.storage.lake import Lake
from ml_assets.storage.model_files import load

GOLDEN_ROWS = 16
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class ReleaseSource:
    """What a release is made from.

    Attributes:
        declared: The problem.
        version: Name of the version.
        model: The fitted model's file.
        rows: The training set it was fitted on.
        assurance: What it knows of its own errors.
        baseline: Fitted model that may stand in for it; None if there is none.
    """

    declared: DeclaredProblem
    version: str
    model: bytes
    rows: TrainingSet
    assurance: Assurance
    baseline: Any = None

    @property
    def cutoff(self) -> datetime:
        """Nothing known after it is part of the release."""
        return self.rows.cutoff


def release_files(
    connection: duckdb.DuckDBPyConnection, lake: Lake, source: ReleaseSource
) -> dict[str, bytes]:
    """Return the files of a release by name."""
    declared = source.declared
    model = load(source.model)
    golden_window = _golden_window(connection, lake, source)
    task = declared.problem.task
    compiled = compiled_or_reason(model, source.rows, task)
    description = replace(
        describe_release(source, classes=tuple(getattr(model, "classes_", ()))),
        evaluator=compiled if isinstance(compiled, str) else "compiled",
    )
    contract = declared.contract.contract.without(*declared.hidden)
    files = {
        MODEL_FILE: source.model,
        SQL_FILE: declared.sql.encode(),
        CONTRACT_FILE: json.dumps(contract.to_json(), ensure_ascii=False, indent=1).encode(),
        RELEASE_FILE: json.dumps(description.to_json(), ensure_ascii=False, indent=1).encode(),
        **history_files(connection, lake, declared, golden_window, known_by=source.cutoff),
    }
    for name in declared.problem.references:
        lake.register(connection, table_name(declared, f"reference_{name}"), name="reference")
        table = connection.sql("SELECT * FROM reference").to_arrow_table()
        files[f"{REFERENCES_FOLDER}{name}.parquet"] = _parquet(table)
    files[ASSURANCE_FILE] = source.assurance.to_json()
    if source.baseline is not None:
        fallback = compiled_fallback(source.baseline, source.rows, declared.problem, model)
        files |= {} if fallback is None else {FALLBACK_FILE: fallback}
    reference: Evaluator = ScikitLearn(model, task)
    evaluator = reference
    if not isinstance(compiled, str):
        files[COMPILED_FILE] = compiled.to_bytes()
        evaluator = Compiled(compiled)
    golden = _golden_rows(connection, lake, source, (reference, evaluator), golden_window)
    return {**files, GOLDEN_FILE: golden.to_json()}


def describe_release(source: ReleaseSource, *, classes: tuple[Any, ...]) -> Release:
    """Return what a release says of itself."""
    problem = source.declared.problem
    limit, bounds = problem.serving.rate_limit, problem.serving.recent_rows
    return Release(
        problem=problem.name,
        version=source.version,
        task=problem.task,
        keys=problem.keys,
        target=problem.label.column,
        after_event=problem.after_event,
        label_delay=problem.label.delay,
        time=problem.time.model_dump(mode="json"),
        numeric=source.rows.numeric,
        categorical=source.rows.categorical,
        classes=tuple(_plain(one) for one in classes),
        past_labels=source.declared.query.baselines,
        reach=source.declared.history,
        max_rows=problem.serving.max_rows,
        latency_ms=problem.serving.latency_ms,
        unknown_category=problem.serving.unknown_category,
        rate_limit=RateLimit(limit.requests_per_second, limit.burst) if limit else None,
        recent_rows=RowBounds(bounds.per_entity, bounds.in_all),
    )


def history_files(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    declared: DeclaredProblem,
    asked: Window,
    *,
    known_by: datetime,
) -> dict[str, bytes]:
    """Return the recent rows and labels that features.sql may read, as files.

    Args:
        connection: Computes.
        lake: Holds the rows.
        declared: The problem.
        asked: Rows that will be asked for; their whole reach is kept before them.
        known_by: Nothing that became known later is written.
    """
    contract = declared.contract.contract.without(*declared.hidden)
    lake.register(connection, table_name(declared, "validated_data"), name="history_rows")
    lake.register(connection, table_name(declared, "labels"), name="history_labels")
    names = dict.fromkeys(["event_time", "known_at", *contract.names])
    columns = ", ".join(quoted(name) for name in names)
    reach = declared.history
    rows = connection.sql(
        f"SELECT {columns} FROM history_rows WHERE event_time < {literal(known_by)} "
        f"AND event_time >= {literal(asked.start - reach.rows)} ORDER BY event_time"
    ).to_arrow_table()
    labels = connection.sql(
        "SELECT * EXCLUDE (_date, superseded_at) FROM history_labels WHERE superseded_at IS NULL "
        f"AND known_at <= {literal(known_by)} "
        f"AND event_time >= {literal(asked.start - reach.labels)} ORDER BY event_time"
    ).to_arrow_table()
    return {HISTORY_FILE: _parquet(rows), LABELS_FILE: _parquet(labels)}


def _golden_window(
    connection: duckdb.DuckDBPyConnection, lake: Lake, source: ReleaseSource
) -> Window:
    """Return the shortest stretch up to the cutoff that holds enough rows to ask for."""
    lake.register(connection, table_name(source.declared, "validated_data"), name="golden_from")
    times = connection.execute(
        f"SELECT event_time FROM golden_from WHERE event_time < {literal(source.cutoff)} "
        f"ORDER BY event_time DESC LIMIT {GOLDEN_ROWS}"
    ).fetchall()
    return Window(times[-1][0], times[0][0] + MICROSECOND)


def _golden_rows(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    source: ReleaseSource,
    evaluators: tuple[Evaluator, Evaluator],
    window: Window,
) -> GoldenRows:
    """Return request rows with the answers of the first evaluator to all of them together.

    The tolerance is what the second one, which will serve, needs to give the same to one row and
    to many.
    """
    reference, serving = evaluators
    declared = source.declared
    features = compute_features(connection, lake, declared, window).frame.head(GOLDEN_ROWS)
    inputs = features[list(source.rows.inputs.columns)]
    together = reference.predict(inputs)
    singly = [serving.predict(inputs.iloc[[n]]) for n in range(len(inputs))]
    tolerance = max(
        tolerance_between(_numbers(*found), _numbers(together))
        for found in (singly, [serving.predict(inputs)])
    )
    return GoldenRows(
        rows=_request_rows(connection, declared, features),
        predictions=tuple(_plain(value) for value in together.values),
        probabilities=None
        if together.probabilities is None
        else tuple(tuple(row) for row in together.probabilities.tolist()),
        tolerance=tolerance,
    )


def _numbers(*answers: Any) -> np.ndarray:  # noqa: ANN401
    parts = [a.values if a.probabilities is None else a.probabilities for a in answers]
    return np.concatenate(parts).astype(np.float64)


def _request_rows(
    connection: duckdb.DuckDBPyConnection, declared: DeclaredProblem, features: pd.DataFrame
) -> tuple[dict[str, Any], ...]:
    """Return the validated rows behind some features as a request would send them."""
    contract = declared.contract.contract.without(*declared.hidden)
    identity = list(declared.problem.identity)
    connection.register("golden_asked", features[identity].assign(_n=range(len(features))))
    columns = ", ".join(f"v.{quoted(name)}" for name in contract.names)
    same = ", ".join(quoted(name) for name in identity)
    rows = connection.execute(
        f"SELECT v.event_time, {columns} FROM golden_from AS v JOIN golden_asked USING ({same}) "
        "ORDER BY _n"
    ).df()
    return request_rows(rows, contract)


def _plain(value: Any) -> Any:  # noqa: ANN401
    return value.item() if isinstance(value, np.generic) else value


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()
