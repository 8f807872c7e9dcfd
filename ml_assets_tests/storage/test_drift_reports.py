"""Live verdicts are those of one long backfill, however far apart the traffic is."""

import textwrap
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.model_version import ModelVersion
from ml_assets.core.problem import Problem
from ml_assets.core.reference import Reference
from ml_assets.core.training import Configuration
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.drift_reports import judge_windows
from ml_assets.storage.profiles import profile_frame
from ml_assets.storage.versions import store_version
from ml_assets.storage.workspace import Workspace

START, HOUR, DAY = datetime(2024, 1, 1, tzinfo=UTC), timedelta(hours=1), timedelta(days=1)
ROWS = 1500
KINDS = {"load": "float"}
CONTRACT = """
    import pandera.pandas as pa


    class Pump(pa.DataFrameModel):
        pump: str
        load: float
        wear: float
"""


def declare(folder, *, window):
    (folder / "contract.py").write_text(textwrap.dedent(CONTRACT))
    (folder / "features.sql").write_text("SELECT pump, event_time, load FROM validated_data")
    problem = Problem.model_validate(
        {
            "name": "pumps",
            "task": "regression",
            "source": {"kind": "files", "path": "in/*.csv"},
            "time": {"columns": ["at"]},
            "partitions": {"start": START},
            "keys": ["pump"],
            "label": {"column": "wear", "delay": "PT1H"},
            "monitoring": {"window": window},
            "candidates": [{"name": "ridge", "estimator": "sklearn.linear_model.Ridge"}],
        }
    )
    return DeclaredProblem.load(problem, folder)


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "home")


def loads(count, *, seed, moved=0.0):
    return pd.DataFrame({"load": np.random.default_rng(seed).normal(size=count) + moved})


def serving(workspace, *, window):
    """Store a version that was judged on hours without drift, and return its name."""
    version = ModelVersion(
        problem="pumps",
        cutoff=START,
        configuration=Configuration(
            name="ridge", kind="candidate", estimator="sklearn.linear_model.Ridge"
        ),
        recipe={},
        features_digest="f",
        code_version="1",
        seed=0,
        rows=9,
    )
    reference = Reference.fit(
        loads(60 * ROWS, seed=0), KINDS, roles={}, window=window, window_rows=ROWS, windows=40
    )
    artefact = store_version(workspace, version, b"model", reference)
    workspace.ledger.record(
        "pumps", "trained", version.name, reason="", details={"artefact": artefact}, at=START
    )
    return version.name


def profile(workspace, version, hour, frame):
    content = profile_frame(frame, KINDS, metadata={}, timestamp=hour)
    workspace.profiles.put(content, problem="pumps", version=version)


def daily(workspace, declared, days):
    """Judge day by day, as live operation does."""
    parts = (Window(START + day * DAY, START + (day + 1) * DAY) for day in range(days))
    return [one for part in parts for one in judge_windows(workspace, declared, part)]


def test_a_batch_a_week_is_judged_live_as_in_a_backfill(workspace, tmp_path):
    declared, version, weeks = declare(tmp_path, window=HOUR), serving(workspace, window=HOUR), 6
    for week in range(weeks):
        frame = loads(ROWS, seed=week + 1, moved=0.16 if week >= 2 else 0.0)
        profile(workspace, version, START + week * 7 * DAY + 9 * HOUR, frame)
    live = daily(workspace, declared, 7 * weeks)
    assert live == judge_windows(workspace, declared, Window(START, START + 7 * weeks * DAY))
    states = [one.verdict.state for one in live]
    assert states[:2] == ["quiet", "quiet"]
    assert "drift" in states[2:]


def test_windows_that_cross_midnight_are_judged_live_as_in_a_backfill(workspace, tmp_path):
    declared = declare(tmp_path, window=5 * HOUR)
    version = serving(workspace, window=5 * HOUR)
    silent = 4  # the last window of the day before it ends in it
    for hour in range(8 * 24):
        if hour // 24 != silent and hour % 24 in {0, 1, 9, 23}:
            frame = loads(300, seed=hour, moved=0.001 * hour)
            profile(workspace, version, START + hour * HOUR, frame)
    live = daily(workspace, declared, 8)
    assert live == judge_windows(workspace, declared, Window(START, START + 8 * DAY))
    assert {one.verdict.state for one in live} == {"quiet", "drift"}
