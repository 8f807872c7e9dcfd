"""A canary from the first request to the verdict, in a server that is never restarted.

480 pumps ask, 48 an hour. The truth is load plus starts; a release that was fitted to noise is
worse. The server decides who answers, by what the ledger announced; what follows is decided by
the asset ``experiment_report``, on the server's own log.
"""

import textwrap
from datetime import UTC, datetime, timedelta

import dagster as dg
import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_assets.components.execution import ProblemRunner
from ml_assets.core.problem import Problem
from ml_assets.core.release import MANIFEST_FILE
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.served_bento import ServedBento
from ml_assets.storage.traffic import Part, end_traffic, start_traffic
from ml_assets.storage.versions import deploy
from ml_assets.storage.workspace import Workspace
from ml_assets_tests.serving.releases import SQL, make_release
from ml_assets_tests.serving.test_served_bento import wait_until
from ml_assets_tests.serving.traffic import log_of
from ml_assets_tests.storage.stored_versions import package

FIRST, DAY, HOUR = datetime(2024, 1, 14, tzinfo=UTC), timedelta(days=1), timedelta(hours=1)
DAYS, GROUPS, PUMPS, SHARE = 9, 10, 48, 0.3
GOOD, BAD, WORSE = 1.0, 80.0, 400.0
CONTRACT = """
    import pandera.pandas as pa
    from pandera.typing import Series


    class Pump(pa.DataFrameModel):
        pump: str
        load: float = pa.Field(ge=0, le=100)
        starts: int = pa.Field(ge=0)
        wear: float
"""
FOLLOWS_WITHIN = 5.0  # seconds


def release_of(version, *, seed, noise):
    """Files of a release; the store adds the manifest."""
    files = make_release(version=version, seed=seed, noise=noise)
    return {name: content for name, content in files.items() if name != MANIFEST_FILE}


def rows_of(hour):
    """What the pumps of an hour ask; each pump asks again ten hours later."""
    generator = np.random.default_rng(hour)
    return [
        {
            "pump": f"p{hour % GROUPS}-{n}",
            "load": round(float(generator.uniform(0, 100)), 2),
            "starts": int(generator.integers(0, 9)),
            "event_time": (FIRST + hour * HOUR).isoformat(),
        }
        for n in range(PUMPS)
    ]


def labels():
    """The truth of every row, known an hour later."""
    frame = pd.DataFrame([row for hour in range(24 * DAYS) for row in rows_of(hour)])
    frame["event_time"] = pd.to_datetime(frame["event_time"]).astype("datetime64[us, UTC]")
    frame["wear"] = frame["load"] + frame["starts"]
    frame["_date"] = frame["event_time"].dt.date
    frame["known_at"] = frame["event_time"] + HOUR
    columns = ["_date", "pump", "event_time", "wear", "known_at"]
    return pa.Table.from_pandas(frame[columns], preserve_index=False)


class Canary:
    """A workspace, its server, and what passes between them."""

    def __init__(self, workspace, runner, server):
        self.workspace, self.runner, self.server = workspace, runner, server
        self.client = httpx.Client(base_url=server.url, timeout=30.0, trust_env=False)

    def packaged(self, seed, *, noise):
        return package(
            self.workspace,
            "pumps",
            seed,
            release_of=lambda version: release_of(version, seed=seed, noise=noise),
        )

    def start(self, version, part):
        start_traffic(
            self.workspace,
            "pumps",
            version,
            part,
            reason="test",
            routing_key=(),
            now=datetime.now(UTC),
        )
        self.wait_for_the_newest()

    def wait_for_the_newest(self):
        """Return what the server serves, once it is what was announced."""
        newest = self.workspace.deployment("pumps").read().revision
        wait_until(
            lambda: self.client.get("/release").json()["revision"] == newest,
            seconds=FOLLOWS_WITHIN,
        )
        told = self.client.get("/release").json()
        assert told["error"] is None
        return told

    def ask(self, day):
        """Ask for a day; return who answered each pump."""
        heard = {}
        for hour in range(24 * day, 24 * (day + 1)):
            rows = rows_of(hour)
            answer = self.client.post("/predict", json={"rows": rows}).raise_for_status().json()
            versions = answer.get("versions") or [answer["version"]] * len(rows)
            for row, version in zip(rows, versions, strict=True):
                heard.setdefault(row["pump"], set()).add(version)
        return heard

    def report(self, day):
        window = Window(FIRST + day * DAY, FIRST + (day + 1) * DAY)
        ran = self.runner.run("monitoring", window, assets=["prediction_log", "experiment_report"])
        (made,) = [
            event.materialization
            for event in ran.get_asset_materialization_events()
            if event.asset_key.path[-1] == "experiment_report"
        ]
        return made.metadata["action"].value

    def until_decided(self, days):
        """Ask and report day after day until something follows; return who was heard, and what."""
        heard = {}
        for day in days:
            for pump, versions in self.ask(day).items():
                heard.setdefault(pump, set()).update(versions)
            action = self.report(day)
            if action != "go_on":
                return heard, action
        return heard, "go_on"


@pytest.fixture
def canary(tmp_path, monkeypatch, bento, home):
    folder = tmp_path / "problem"
    folder.mkdir()
    (folder / "contract.py").write_text(textwrap.dedent(CONTRACT))
    (folder / "features.sql").write_text(SQL)
    monkeypatch.chdir(tmp_path)
    problem = Problem.model_validate(
        {
            "name": "pumps",
            "task": "regression",
            "source": {"kind": "files", "path": "in/*.csv"},
            "time": {"columns": ["at"]},
            "partitions": {"start": FIRST, "end": FIRST + DAYS * DAY},
            "keys": ["pump"],
            "label": {"column": "wear", "delay": "PT1H"},
            "candidates": [{"name": "ridge", "estimator": "sklearn.linear_model.Ridge"}],
            "serving": {
                "traffic": {"promotion": "canary", "steps": [{"share": SHARE, "hold": "PT20H"}]}
            },
        }
    )
    workspace = Workspace(tmp_path / "home")
    workspace.lake.replace("pumps/labels", labels())
    bad = package(
        workspace,
        "pumps",
        1,
        release_of=lambda version: release_of(version, seed=1, noise=BAD),
    )
    deploy(workspace, "pumps", bad, event="promoted", reason="first", now=datetime.now(UTC))
    place = workspace.deployment("pumps").path
    log = tmp_path / "server.log"
    with (
        dg.DagsterInstance.ephemeral() as instance,
        ServedBento(bento, home, log, workspace.spool, deployment=place) as server,
    ):
        runner = ProblemRunner(DeclaredProblem.load(problem, folder), workspace, instance)
        opened = Canary(workspace, runner, server)
        with opened.client:
            yield opened


@pytest.mark.serve
@pytest.mark.slow
def test_a_running_server_follows_a_canary_to_its_verdict(canary):
    workspace, process = canary.workspace, canary.server.pid
    bad = workspace.deployment("pumps").read().champion_version
    good = canary.packaged(2, noise=GOOD)

    canary.start(good, Part("canary", SHARE, 0))
    told = canary.wait_for_the_newest()
    assert (told["version"], told["traffic"]["version"]) == (bad, good)
    heard, action = canary.until_decided(range(5))
    assert action == "promote"
    # Sticky: one version for each pump; the share holds within five standard deviations.
    assert set(map(len, heard.values())) == {1}
    assert len(heard) == GROUPS * PUMPS
    challenged = sum(versions == {good} for versions in heard.values())
    deviation = (len(heard) * SHARE * (1 - SHARE)) ** 0.5
    assert abs(challenged - len(heard) * SHARE) < 5 * deviation
    lines = log_of(workspace.spool)
    assert {line["variant"]: line["version"] for line in lines} == {
        "champion": bad,
        "challenger": good,
    }
    assert {line["error"] for line in lines} == {None}

    told = canary.wait_for_the_newest()
    assert (told["version"], told["traffic"]) == (good, None)
    assert set.union(*canary.ask(5).values()) == {good}

    worse = canary.packaged(3, noise=WORSE)
    canary.start(worse, Part("canary", SHARE, 0))
    heard, action = canary.until_decided(range(6, DAYS))
    assert action == "roll_back"
    assert set.union(*heard.values()) == {good, worse}
    told = canary.wait_for_the_newest()
    assert (told["version"], told["traffic"]) == (good, None)

    deploy(workspace, "pumps", bad, event="rolled_back", reason="test", now=datetime.now(UTC))
    assert canary.wait_for_the_newest()["version"] == bad
    canary.start(good, Part("shadow", 0.0))
    assert canary.wait_for_the_newest()["traffic"]["mode"] == "shadow"
    end_traffic(workspace, "pumps", outcome="inconclusive", reason="test", now=datetime.now(UTC))
    assert canary.wait_for_the_newest()["traffic"] is None
    assert canary.server.pid == process
    figures = canary.client.get("/metrics").text
    assert f'variant_rows_total{{outcome="answered",variant="challenger",version="{good}"}}' in (
        figures
    )
