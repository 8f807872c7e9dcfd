"""The labelling queue: production rows whose truth is worth asking for."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np
import pandas as pd

from ml_assets.assets.describe import result
from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.core.labelling import choose, margin_uncertainty, unfamiliarity
from ml_assets.core.window import Window
from ml_assets.resources.engine import Engine
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.label_queue import LabelRequest
from ml_assets.storage.placement import place
from ml_assets.storage.workspace import Workspace

DAY = timedelta(days=1)


def labelling_queue(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """Rows sent to labelling within the daily budget: a random audit, and the least certain.

    The probability with which a row was audited is stored, so that what is estimated from audited
    rows is unbiased.
    """
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "labelling_queue",
            stage="monitoring",
            kinds=["deltalake"],
            deps=[key_of(problem, "prediction_log")],
            description=labelling_queue.__doc__,
        )
    )
    def _labelling_queue(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        window = window_of(context)
        with duckdb.get_connection() as connection:
            name = table_name(declared, "prediction_log")
            workspace.lake.register(connection, name, name="log")
            frame = connection.execute(
                f"SELECT * FROM log WHERE {place(problem, window).where} "
                "AND prediction IS NOT NULL AND variant IS DISTINCT FROM 'shadow' "
                'ORDER BY event_time, request_id, "row"'
            ).df()
        requests = label_requests(declared, frame, window)
        asked = workspace.label_queue.ask(requests)
        return result(
            context,
            {
                "answered_rows": len(frame),
                "chosen": len(requests),
                "newly_asked": asked,
                "audited": sum(r.strategy == "random_audit" for r in requests),
            },
        )

    return _labelling_queue


def label_requests(
    declared: DeclaredProblem, frame: pd.DataFrame, window: Window
) -> list[LabelRequest]:
    """Return the rows of a window that are worth a label."""
    problem = declared.problem
    now = datetime.now(tz=UTC)
    chosen = choose(
        problem.labelling,
        _uncertainty(frame),
        days=(window.end - window.start) / DAY,
        seed=problem.seed + int(window.start.timestamp()) // 3600,
    )
    return [
        LabelRequest(
            problem.name,
            json.dumps([str(frame[name].iloc[one.position]) for name in problem.identity]),
            one.strategy,
            one.propensity,
            {
                "inputs": json.loads(frame["inputs"].iloc[one.position]),
                "prediction": frame["prediction"].iloc[one.position],
                "request_id": frame["request_id"].iloc[one.position],
            },
            now,
        )
        for one in chosen
    ]


def _uncertainty(frame: pd.DataFrame) -> np.ndarray:
    if frame.empty:
        return np.zeros(0)
    given = frame["probabilities"].notna() & (frame["probabilities"] != "null")
    if given.all():
        rows = [list(json.loads(text).values()) for text in frame["probabilities"]]
        return margin_uncertainty(np.array(rows, dtype=float))
    features = pd.DataFrame([json.loads(text) for text in frame["features"]])
    numeric = [str(name) for name in features if pd.api.types.is_numeric_dtype(features[name])]
    return unfamiliarity(features, numeric)
