"""A challenger in traffic: logged as a server logs, judged on late labels, moved by the report.

The log lines are those of the server; only who answers is decided here, by the deployment and the
routing that servers use. The truth is 10 for every row, so a prediction is 10 plus its error.
"""

import json
import textwrap
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

import dagster as dg
import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pytest

from bentos.predictor.log import Logged, PredictionLog, log_lines
from ml_assets.assets.deployment import Packed, bring_in
from ml_assets.components.execution import ProblemRunner
from ml_assets.core.answering import Answers
from ml_assets.core.feature_values import FeatureValues
from ml_assets.core.problem import Problem
from ml_assets.core.request_rows import RequestRows
from ml_assets.core.routing import routing_key, variant_for
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.serving_state import serving_at
from ml_assets.storage.traffic import Part, end_traffic, start_traffic
from ml_assets.storage.versions import deploy
from ml_assets.storage.workspace import Workspace
from ml_assets_tests.journeys.test_files import CONTRACT, FEATURES
from ml_assets_tests.storage.stored_versions import START, package

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
METERS, DAYS = 40, 6
KEYS = ("meter",)
LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
STEPS = [{"share": 0.25, "hold": "PT20H"}, {"share": 0.5, "hold": "PT20H"}]


@dataclass(frozen=True)
class Harm:
    """Shares of rows that the challenger fails, or answers too late."""

    failing: float = 0.0
    slow: float = 0.0


@dataclass(frozen=True)
class Town:
    """A problem whose requests are answered by two versions."""

    runner: ProblemRunner
    champion: str
    challenger: str

    @cached_property
    def log(self):
        return PredictionLog(self.workspace.spool, "meters")

    @property
    def workspace(self):
        return self.runner.workspace

    @property
    def deployment(self):
        return self.workspace.deployment("meters").read()

    @property
    def events(self):
        """Events of the ledger since the champion serves."""
        entries = self.workspace.ledger.entries("meters")
        return [e.event for e in entries if e.event not in {"trained", "challenged"}][1:]

    @property
    def newest(self):
        return self.workspace.ledger.entries("meters")[-1]

    def bring_in(self):
        packed = Packed(self.challenger, "meters:2", START, self.champion)
        return bring_in(self.workspace, self.runner.declared, packed, reason="the gates")

    def answer(self, day, errors, harm=None):
        """Log a day of requests, one an hour for all meters; ``errors`` by version."""
        deployment = self.deployment
        for hour in range(24):
            at = START + day * DAY + hour * HOUR
            asked = RequestRows(
                [at] * METERS, {"meter": [f"m{n}" for n in range(METERS)], "load": [1.0] * METERS}
            )
            keys = [
                routing_key(asked.row(n), columns=deployment.routing_key, keys=KEYS, request_id="")
                for n in range(METERS)
            ]
            heard = [
                variant_for(key, salt=deployment.experiment, share=deployment.share) for key in keys
            ]
            generator = np.random.default_rng([day, hour])
            noise = {name: error * generator.normal(size=METERS) for name, error in errors.items()}
            champion = deployment.champion_version
            plain = [{"prediction": number} for number in 10 + noise[champion]]
            beside = deployment.contender
            if beside is not None:
                variant = "shadow" if deployment.shadow else "challenger"
                who = ["shadow"] * METERS if deployment.shadow else heard
                more = [
                    traffic_fields(variant, key, harm or Harm(), generator, number)
                    for key, number in zip(keys, 10 + noise[beside.version], strict=True)
                ]
                self._log(variant, beside.version, asked, more, who)
                heard = [
                    "champion" if fields["error"] else one
                    for fields, one in zip(more, heard, strict=True)
                ]
            self._log("champion", champion, asked, plain, heard)

    def _log(self, variant, version, asked, fields, who):
        at = asked.event_times[0]
        loads = np.array(asked.columns["load"])
        features = FeatureValues(("load",), loads[:, None], (), ())
        lines = log_lines(
            [Logged(f"{at:%dT%H}", asked, Answers([0.0] * METERS, None, (), features))],
            version=version,
            revision=self.deployment.revision,
            at=at,
        )
        chosen = [
            orjson.dumps({**orjson.loads(line), **more}, option=LINE)
            for line, more, one in zip(lines.splitlines(), fields, who, strict=True)
            if one == variant
        ]
        self.log.append(b"".join(chosen), version=version, at=at)

    def report(self, day):
        """Materialise the report of a day, and return what it says."""
        window = Window(START + day * DAY, START + (day + 1) * DAY)
        result = self.runner.run(
            "monitoring", window, assets=["prediction_log", "experiment_report"]
        )
        (made,) = [
            event.materialization
            for event in result.get_asset_materialization_events()
            if event.asset_key.path[-1] == "experiment_report"
        ]
        return {name: value.value for name, value in made.metadata.items()}

    def live(self, errors, *, days=DAYS):
        """Answer and report day after day, and return the actions."""
        actions = []
        for day in range(days):
            self.answer(day, errors)
            actions.append(self.report(day).get("action", "none"))
        return actions


def traffic_fields(variant, key, harm, generator, prediction):
    """Return what a server that knows two versions adds to a line; the champion's go without."""
    failed, slow = generator.random() < harm.failing, generator.random() < harm.slow
    return {
        "variant": variant,
        "routing_key": key,
        "prediction": None if failed else prediction,
        "error": "ServingError" if failed else None,
        "latency_ms": 5000.0 if slow else 3.0,
    }


@pytest.fixture
def town(tmp_path, monkeypatch):
    """Return a function that opens the town with its declared traffic."""
    folder = tmp_path / "problem"
    folder.mkdir()
    (folder / "contract.py").write_text(textwrap.dedent(CONTRACT))
    (folder / "features.sql").write_text(FEATURES)
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:

        def opened(**traffic):
            problem = Problem.model_validate(
                {
                    "name": "meters",
                    "task": "regression",
                    "source": {"kind": "files", "path": "in/*.csv"},
                    "time": {"columns": ["at"]},
                    "partitions": {"start": START, "end": START + DAYS * DAY},
                    "keys": ["meter"],
                    "label": {"column": "demand", "delay": "PT2H"},
                    "candidates": [{"name": "ridge", "estimator": "sklearn.linear_model.Ridge"}],
                    "serving": {"traffic": {"min_rows": 50, **traffic}},
                }
            )
            workspace = Workspace(tmp_path / "home")
            declared = DeclaredProblem.load(problem, folder)
            runner = ProblemRunner(declared, workspace, instance)
            workspace.lake.replace("meters/labels", labels())
            champion = package(workspace, "meters", 1)
            deploy(workspace, "meters", champion, event="promoted", reason="", now=START)
            towns.append(Town(runner, champion, package(workspace, "meters", 2)))
            return towns[-1]

        towns: list[Town] = []
        yield opened
        for one in towns:
            one.log.close()


def labels():
    """The truth of every hour, known an hour later."""
    hours = pd.date_range(START, periods=24 * DAYS, freq="h", unit="us")
    frame = pd.DataFrame({"event_time": hours}).merge(
        pd.DataFrame({"meter": [f"m{n}" for n in range(METERS)]}), how="cross"
    )
    frame["_date"] = frame["event_time"].dt.date
    frame = frame.assign(demand=10.0, known_at=frame["event_time"] + HOUR)
    return pa.Table.from_pandas(frame, preserve_index=False)


def errors(town, challenger):
    return {town.champion: 1.0, town.challenger: challenger}


def test_a_better_challenger_goes_through_the_steps_and_is_promoted(town):
    town = town(promotion="canary", steps=STEPS)
    assert "is in traffic" in town.bring_in()
    actions = town.live(errors(town, 0.4), days=4)
    assert actions[:2] == ["next_step", "promote"]
    assert set(actions[2:]) == {"none"}
    assert town.events == ["traffic_started", "traffic_changed", "promoted"]
    assert town.deployment.mode == "champion"
    assert town.deployment.champion_version == town.challenger
    promoted = town.newest.details
    assert promoted["bento"] == "meters:2"
    assert promoted["evidence"]["verdict"] == "promote"
    assert promoted["evidence"]["e_better"] >= 20
    assert promoted["evidence"]["rule"]["alpha"] == 0.05
    assert [rail["rail"] for rail in promoted["guard_rails"]] == ["errors", "latency", "loss"]
    town.workspace.ledger.verify("meters")
    kept = town.workspace.lake.read("meters/experiment_report").to_pylist()
    assert sorted((row["revision"], row["action"]) for row in kept) == [
        (2, "next_step"),
        (3, "promote"),
    ]
    told = town.workspace.alerts.recent("meters")
    assert sorted(one.alert.leading.title for one in told) == [
        "next step in " + town.newest.details["experiment"],
        "promote in " + town.newest.details["experiment"],
    ]


def test_a_decision_is_made_once_however_often_one_looks(town):
    town = town(promotion="canary", steps=STEPS)
    town.bring_in()
    town.answer(0, errors(town, 0.4))
    assert town.report(0)["action"] == "next_step"
    for _ in range(2):
        # The rows so far belong to the step before: this one has none yet.
        again = town.report(0)
        assert (again["action"], again["challenger_rows"], again["champion_rows"]) == (
            "go_on",
            0,
            0,
        )
    assert town.events == ["traffic_started", "traffic_changed"]
    assert "in traffic" in town.bring_in()
    assert town.events == ["traffic_started", "traffic_changed"]


@pytest.mark.slow
def test_a_worse_challenger_is_rolled_back_and_not_tried_again(town):
    town = town(promotion="canary", steps=STEPS)
    town.bring_in()
    actions = town.live(errors(town, 1.6), days=3)
    assert "roll_back" in actions
    assert town.events[-1] == "traffic_ended"
    assert town.newest.details["outcome"] == "rolled_back"
    assert (town.deployment.mode, town.deployment.champion_version) == ("champion", town.champion)
    assert "not tried again" in town.bring_in()
    assert town.workspace.alerts.recent("meters")[0].severity == "warn"


@pytest.mark.slow
def test_an_equal_challenger_is_withdrawn_undecided(town):
    town = town(promotion="ab", steps=[{"share": 0.5, "hold": "PT20H"}], max_duration="P4D")
    town.bring_in()
    actions = town.live(errors(town, 1.0))
    assert actions == ["go_on"] * 4 + ["withdraw", "none"]
    assert town.newest.details["outcome"] == "inconclusive"
    assert "Undecided after 4 days" in town.newest.reason
    assert town.deployment.contender is None


@pytest.mark.parametrize(
    ("harm", "rail"), [(Harm(failing=0.2), "errors"), (Harm(slow=0.3), "latency")]
)
def test_harm_ends_it_on_the_first_day_however_good_the_loss(town, harm, rail):
    town = town(promotion="canary", steps=STEPS)
    town.bring_in()
    town.answer(0, errors(town, 0.4), harm)
    told = town.report(0)
    assert told["action"] == "roll_back"
    assert told["reason"].startswith(f"Guard rail {rail}:")
    assert town.deployment.mode == "champion"


@pytest.mark.slow
def test_the_shadow_proves_itself_on_the_same_rows_before_it_is_heard(town):
    town = town(promotion="shadow_first", shadow="PT20H", steps=STEPS[1:], max_duration="P10D")
    town.bring_in()
    assert (town.deployment.mode, town.deployment.share) == ("shadow", 0.0)
    town.answer(0, errors(town, 0.9))
    unheard = town.report(0)
    assert unheard["mode"] == "shadow"
    assert unheard["champion_rows"] == unheard["challenger_rows"]
    actions = [unheard["action"]]
    for day in range(1, DAYS):
        town.answer(day, errors(town, 0.6))
        actions.append(town.report(day).get("action", "none"))
    moves = [action for action in actions if action not in {"go_on", "none"}]
    assert moves == ["next_step", "promote"]
    assert town.newest.details["evidence"]["design"] == "split"


@pytest.mark.slow
def test_what_a_person_set_is_promoted_by_a_person(town):
    town = town()
    start_traffic(
        town.workspace,
        "meters",
        town.challenger,
        Part("ab", 0.5),
        reason="by hand",
        routing_key=(),
        now=datetime.now(UTC),
    )
    assert town.live(errors(town, 0.4), days=3) == ["go_on"] * 3
    assert town.events == ["traffic_started"]


def test_without_declared_traffic_a_version_serves_at_once(town):
    town = town()
    assert town.bring_in() == "the gates"
    assert town.events == ["promoted"]
    assert town.deployment.champion_version == town.challenger
    assert town.report(0)["experiment"] == "none runs"


def test_a_version_that_was_judged_beside_another_champion_is_not_brought_in(town):
    town = town()
    newcomer = replace(town, challenger=package(town.workspace, "meters", 3))
    assert newcomer.bring_in() == "the gates"
    assert f"judged beside {town.champion}, and {newcomer.challenger} serves" in town.bring_in()
    assert town.deployment.champion_version == newcomer.challenger
    # As when a run of last week is executed again.
    again = replace(town, challenger=town.champion, champion=newcomer.challenger)
    assert "has served before" in again.bring_in()
    assert town.events == ["promoted"]


def test_servers_are_told_later_what_a_killed_process_could_not_tell(town, monkeypatch):
    town = town(promotion="canary", steps=STEPS)
    town.bring_in()
    town.answer(0, errors(town, 0.4), Harm(failing=0.3))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr("ml_assets.storage.traffic.announce", killed)
        with pytest.raises(KeyboardInterrupt):
            end_traffic(
                town.workspace, "meters", outcome="rolled_back", reason="", now=datetime.now(UTC)
            )
    assert town.events[-1] == "traffic_ended"
    assert town.deployment.mode == "canary"
    assert town.report(0)["experiment"] == "none runs"
    assert town.deployment.mode == "champion"


def test_a_row_that_the_challenger_failed_speaks_for_neither_version(town):
    """The champion answered it, for a key of the challenger's, and only because it was hard."""
    town = town(promotion="canary", steps=STEPS)
    town.bring_in()
    town.answer(0, errors(town, 0.4), Harm(failing=0.2))
    told = town.report(0)
    log = town.workspace.lake.read("meters/prediction_log").to_pylist()
    due = [row for row in log if row["event_time"] <= START + 22 * HOUR]
    failed = sum(row["prediction"] is None for row in due)
    assert failed > 0
    assert len(due) == 23 * METERS + failed
    assert told["champion_rows"] + told["challenger_rows"] == 23 * METERS - failed


def test_a_newcomer_waits_for_the_version_in_traffic(town):
    town = town(promotion="canary", steps=STEPS)
    town.bring_in()
    newcomer = replace(town, challenger=package(town.workspace, "meters", 3))
    assert f"{newcomer.challenger} waits" in newcomer.bring_in()
    state = serving_at(town.workspace.ledger.entries("meters"))
    assert state.traffic.version == town.challenger


def test_labels_that_are_not_due_are_not_looked_at(town):
    town = town(promotion="canary", steps=STEPS)
    town.bring_in()
    town.answer(0, errors(town, 0.4))
    told = town.report(0)
    # Labels are due after two hours: those of the last hour count tomorrow.
    assert told["champion_rows"] + told["challenger_rows"] == 23 * METERS
    log = town.workspace.lake.read("meters/prediction_log").to_pylist()
    assert len(log) == 24 * METERS
    assert {row["variant"] for row in log} == {"champion", "challenger"}
    keys = {row["routing_key"] for row in log if row["variant"] == "challenger"}
    assert 0 < len(keys) < METERS
    assert {row["routing_key"] for row in log if row["variant"] == "champion"} == {None}
    assert json.loads(min(keys))[0].startswith("m")
