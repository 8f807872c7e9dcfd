"""A prediction log as a server would have written it, of rows whose features are in the lake."""

import json

import duckdb

from ml_assets.core.training import predict
from ml_assets.storage.placement import place
from ml_assets.storage.prediction_logs import logged_rows
from ml_assets.storage.versions import champion_version, model_of


def answer(runner, window):
    """Answer every row of a window with the champion, and log it in the lake."""
    declared, workspace = runner.declared, runner.workspace
    problem, stored = declared.problem, champion_version(workspace, declared.problem.name)
    model = model_of(workspace, stored)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        workspace.lake.register(connection, f"{problem.name}/feature_table", name="features")
        frame = connection.execute(
            f"SELECT * FROM features WHERE {place(problem, window).where} ORDER BY event_time"
        ).df()
    inputs = list(model.feature_names_in_)
    answers = predict(model, frame[inputs], problem.task).values.tolist()
    features = json.loads(frame[inputs].to_json(orient="records", double_precision=15))
    keys = frame[[*problem.keys]].to_dict("records")
    for number, (moment, key, values, answered) in enumerate(
        zip(frame["event_time"], keys, features, answers, strict=True)
    ):
        line = {
            "request_id": f"{moment:%Y%m%d%H%M}-{number}",
            "at": moment.isoformat(),
            "version": stored.name,
            "revision": 1,
            "row": 0,
            "event_time": moment.isoformat(),
            "inputs": key,
            "features": values,
            "prediction": answered,
        }
        folder = (
            workspace.spool / problem.name / stored.name / f"{moment:%Y-%m-%d}" / f"{moment:%H}"
        )
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "test.jsonl").open("a", encoding="utf-8") as segment:
            segment.write(json.dumps(line) + "\n")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = logged_rows(connection, workspace, declared, window)
    name = f"{problem.name}/prediction_log"
    workspace.lake.replace(name, rows, dates=place(problem, window).dates)
