"""Real tables, forward in time: a static model against one that is trained again and again.

Each problem runs from its file through the data job (contract, features, leak checks). Then,
cutoff after cutoff, each candidate is fitted on the training set of that cutoff, as the graph
reads it, and predicts until the next one.

    python -m benchmarks.real_tables [bike_sharing elec2 metro_traffic]
"""

import importlib
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import duckdb
import numpy as np
import pandas as pd

from ml_assets.components.execution import ProblemRunner
from ml_assets.components.loading import declared_problems
from ml_assets.core.bootstrap import Blocks
from ml_assets.core.metrics import loss_value, row_loss
from ml_assets.core.training import Configuration, fit, plain_labels, predict
from ml_assets.core.window import Window
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.training_sets import TrainingRecipe, read_training_set
from ml_assets.storage.workspace import Workspace


def declared_table(name):
    """Return a real table's problem."""
    return declared_problems(importlib.import_module("ml_assets_tests.problems"))[name]


def materialised(declared, home, instance):
    """Return the workspace that keeps a table in a folder; its data job runs where it has not."""
    name, workspace = declared.problem.name, Workspace(home / declared.problem.name)
    if not workspace.lake.exists(table_name(declared, "feature_table")):
        ProblemRunner(declared, workspace, instance).run("data", COURSES[name].data)
    return workspace


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Course:
    """What is predicted, and how often a model is trained again."""

    data: Window
    judged: Window
    every: timedelta
    target: str


COURSES = {
    "bike_sharing": Course(
        Window(at("2011-01-01"), at("2013-01-01")),
        Window(at("2012-01-01"), at("2013-01-01")),
        timedelta(days=7),
        "MAE <= 42 with <= 53 trainings",
    ),
    "metro_traffic": Course(
        Window(at("2012-10-01"), at("2018-10-01")),
        Window(at("2015-06-01"), at("2018-10-01")),
        timedelta(days=30),
        "MAE <= 240",
    ),
    "elec2": Course(
        Window(at("1996-05-07"), at("1998-12-07")),
        Window(at("1996-05-28"), at("1998-12-07")),
        timedelta(days=7),
        "accuracy >= 0.88, temporal kappa >= 0.15",
    ),
}


def run(name):
    course = COURSES[name]
    declared = declared_table(name)
    problem = declared.problem
    with TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral() as instance:
        runner = ProblemRunner(declared, Workspace(Path(folder)), instance)
        began = time.perf_counter()
        runner.run("data", course.data)
        print(f"\n{name}: data job {time.perf_counter() - began:.0f} s; target {course.target}")
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            rows = read(connection, everything(runner), course.judged.end)
            judged = (rows.frame["event_time"] >= course.judged.start).to_numpy()
            test = rows.rows(np.flatnonzero(judged))
            configurations = [Configuration.of_candidate(c) for c in problem.candidates]
            for configuration in configurations:
                forward(connection, runner, course, configuration, test)
            for baseline in problem.baselines:
                if baseline.kind == "typical":
                    continue
                configuration = Configuration.of_baseline(baseline, problem.task)
                known = read(connection, runner, course.judged.start)
                model = fit(configuration, known, seed=0)
                show(
                    problem, configuration.name, 1, test, predict(model, test.inputs, problem.task)
                )


def everything(runner):
    """Return the runner of the problem without windows, so that all rows are judged."""
    problem = runner.declared.problem
    whole = tuple(c.model_copy(update={"window": None}) for c in problem.candidates)
    problem = problem.model_copy(update={"candidates": whole})
    return replace(runner, declared=replace(runner.declared, problem=problem))


def read(connection, runner, cutoff):
    lake = runner.workspace.lake
    recipe = TrainingRecipe.of_today(lake, runner.declared, cutoff)
    return read_training_set(connection, lake, runner.declared, recipe)


def forward(connection, runner, course, configuration, test):
    problem = runner.declared.problem
    times = test.frame["event_time"]
    trainings, parts, static = 0, [], None
    cutoff = course.judged.start
    while cutoff < course.judged.end:
        part = np.flatnonzero((times >= cutoff) & (times < cutoff + course.every))
        if len(part):
            model = fit(configuration, read(connection, runner, cutoff), seed=0)
            static = static or model
            parts.append(predict(model, test.rows(part).inputs, problem.task))
            trainings += 1
        cutoff += course.every
    joined = type(parts[0])(
        np.concatenate([p.values for p in parts]),
        None
        if parts[0].probabilities is None
        else np.concatenate([p.probabilities for p in parts]),
        parts[0].classes,
    )
    show(problem, configuration.name, trainings, test, joined)
    answers = predict(static, test.inputs, problem.task)
    show(problem, f"{configuration.name}, static", 1, test, answers)


def show(problem, name, trainings, test, answers):
    y = plain_labels(test)
    metric = problem.primary_metric
    losses = row_loss(metric, y, answers)
    blocks = Blocks.draw(
        test.frame["event_time"].to_numpy(dtype="datetime64[us]"), seed=0, series=losses
    )
    low, high = blocks.interval(blocks.means(losses[:, None])[:, 0], confidence=0.95)
    value = float(loss_value(metric, losses.mean()))
    text = f"{metric} {value:.2f} ({low:.2f} to {high:.2f})"
    if metric == "accuracy":
        text = f"accuracy {1 - value:.4f} ({1 - high:.4f} to {1 - low:.4f})"
        before = pd.Series(test.frame["baseline__persistence"]).fillna("").to_numpy()
        kappa = 1 - value
        no_change = float((before == y).mean())
        text += f", temporal kappa {(kappa - no_change) / (1 - no_change):+.3f}"
    print(f"  {name:28} {trainings:4} trainings  {text}", flush=True)


if __name__ == "__main__":
    for chosen in sys.argv[1:] or COURSES:
        run(chosen)
