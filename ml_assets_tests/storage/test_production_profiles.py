"""Production profiles while two versions share traffic."""

import textwrap
from datetime import UTC, datetime, timedelta

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from ml_assets.core.problem import Problem
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.production_profiles import profile_window
from ml_assets.storage.profiles import ROWS, _read
from ml_assets.storage.workspace import Workspace
from ml_assets_tests.storage.stored_versions import package

START, HOUR = datetime(2024, 1, 1, tzinfo=UTC), timedelta(hours=1)
CONTRACT = """
    import pandera.pandas as pa
    from pandera.typing import Series


    class Pump(pa.DataFrameModel):
        pump: str
        load: float
        wear: float
"""


@pytest.fixture
def declared(tmp_path):
    (tmp_path / "contract.py").write_text(textwrap.dedent(CONTRACT))
    (tmp_path / "features.sql").write_text("SELECT pump, event_time, load FROM validated_data")
    problem = Problem.model_validate(
        {
            "name": "pumps",
            "task": "regression",
            "source": {"kind": "files", "path": "in/*.csv"},
            "time": {"columns": ["at"]},
            "partitions": {"start": START, "end": START + timedelta(days=2)},
            "keys": ["pump"],
            "label": {"column": "wear", "delay": "PT1H"},
            "candidates": [{"name": "ridge", "estimator": "sklearn.linear_model.Ridge"}],
        }
    )
    return DeclaredProblem.load(problem, tmp_path)


def logged(version, variant, hour, rows):
    return [
        {
            "_date": START.date(),
            "pump": "north",
            "event_time": START + hour * HOUR + timedelta(minutes=n),
            "version": version,
            "variant": variant,
            "prediction": 1.0,
            "raw_prediction": 1.0,
            "raw_probabilities": "null",
            "features": '{"load": 1.0}',
            "request_id": f"{hour}-{n}",
            "row": 0,
        }
        for n in rows
    ]


def test_what_the_shadow_said_is_not_counted_with_what_was_heard(tmp_path, declared):
    workspace = Workspace(tmp_path / "home")
    first, second = (package(workspace, "pumps", seed) for seed in (1, 2))
    frame = pd.DataFrame(
        [
            *logged(first, "champion", 1, range(4)),
            *logged(second, "shadow", 1, range(4)),
            # In the second hour it leaves the shadow.
            *logged(first, None, 2, range(3)),
            *logged(second, "shadow", 2, range(3)),
            *logged(second, "challenger", 2, range(3, 5)),
        ]
    )
    frame["event_time"] = frame["event_time"].astype("datetime64[us, UTC]")
    workspace.lake.replace("pumps/prediction_log", pa.Table.from_pandas(frame))
    truths = frame.loc[:0, ["_date", "pump", "event_time"]].assign(wear=1.0)
    truths["known_at"] = truths["event_time"]
    table = pa.Table.from_pandas(truths)
    never = pa.nulls(len(table), pa.timestamp("us", tz="UTC"))
    workspace.lake.replace("pumps/labels", table.append_column("superseded_at", never))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        stored = profile_window(
            connection, workspace, declared, Window(START, START + timedelta(days=1))
        )
    found = {}
    for one in stored:
        metadata = _read(one.path.read_bytes(), source="test", columns=False).metadata
        found[one.version, one.hour.hour] = (metadata["variant"], int(metadata[ROWS]))
    assert found == {
        (first, 1): ("heard", 4),
        (first, 2): ("heard", 3),
        (second, 1): ("shadow", 4),
        (second, 2): ("heard", 2),
    }
