"""Real tables: a policy is picked by rehearsal on the earlier half, and judged on all of it.

Each problem runs from its file through the data job. The policies are compared on the first half of
the judged stretch, with light models; the pick is then followed over the whole stretch with larger
ones, and over its later half alone.

    python -m benchmarks.rehearsed_policies [--home FOLDER] [bike_sharing elec2 metro_traffic]
"""

import argparse
import importlib
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import duckdb
import numpy as np

from benchmarks.real_tables import COURSES, at
from ml_assets.components.execution import ProblemRunner
from ml_assets.components.loading import declared_problems
from ml_assets.core.bootstrap import Blocks
from ml_assets.core.metrics import loss_value
from ml_assets.core.rehearsal.comparison import compare_policies
from ml_assets.core.rehearsal.fits import QUICK, Fidelity
from ml_assets.core.window import Window, floor
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.rehearsal import read_past
from ml_assets.storage.rehearsal_record import rehearse_problem
from ml_assets.storage.workspace import Workspace

POLICIES = ("never", "scheduled", "on_drift")
LARGER = Fidelity(rows=8000, trees=100)


@dataclass(frozen=True)
class Judged:
    """What is judged, what is aimed at, and which day has to raise an alarm."""

    window: Window
    target: str
    alarm: datetime | None = None


JUDGED = {
    "bike_sharing": Judged(
        COURSES["bike_sharing"].judged, "MAE <= 42 with <= 53 trainings, or <= 44 with <= 6"
    ),
    "elec2": Judged(
        COURSES["elec2"].judged, "accuracy >= 0.88, temporal kappa >= +0.15", at("1997-05-05")
    ),
    "metro_traffic": Judged(COURSES["metro_traffic"].judged, "MAE <= 240"),
}


def run(name, home):
    judged = JUDGED[name]
    declared = declared_problems(importlib.import_module("ml_assets_tests.problems"))[name]
    workspace = Workspace(home / name)
    with dg.DagsterInstance.ephemeral() as instance, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        if not workspace.lake.exists(table_name(declared, "feature_table")):
            ProblemRunner(declared, workspace, instance).run("data", COURSES[name].data)
        whole = judged.window
        half = floor(whole.start + (whole.end - whole.start) / 2, declared.problem.partitions.every)
        picked = pick(connection, workspace, declared, Window(whole.start, half))
        print(f"  target: {judged.target}")
        follow(connection, workspace, declared, picked, half)


def pick(connection, workspace, declared, earlier):
    began = time.perf_counter()
    rehearsal = rehearse_problem(
        connection, workspace, declared, earlier, names=POLICIES, seed=0, fidelity=QUICK
    )
    compared = compare_policies(rehearsal)
    print(
        f"\n{declared.problem.name}: rehearsed {earlier.start:%Y-%m-%d} to {earlier.end:%Y-%m-%d} "
        f"in {time.perf_counter() - began:.0f} s"
    )
    for one in compared.figures:
        mark = "*" if one.policy == compared.picked else " "
        print(
            f"  {mark} {one.policy:10} loss {one.loss.value:.4f} ({one.loss.low:.4f} to "
            f"{one.loss.high:.4f}), {one.retrainings} retrainings, {one.promotions} promoted, "
            f"loss and cost {one.total:.4f}",
            flush=True,
        )
    return compared.picked


def follow(connection, workspace, declared, picked, half):
    judged = JUDGED[declared.problem.name]
    rehearsal = rehearse_problem(
        connection, workspace, declared, judged.window, names=(picked,), seed=0, fidelity=LARGER
    )
    course = rehearsal.course(picked)
    past = read_past(connection, workspace.lake, declared, judged.window)
    no_change = None
    if declared.problem.task != "regression":
        # Temporal kappa compares with the last known label, on the same rows.
        before = past.frame["baseline__persistence"].fillna("").to_numpy()
        no_change = (before != past.last_labels()).astype(float)
    later = rehearsal.times >= np.datetime64(half.replace(tzinfo=None), "us")
    for words, rows in (("whole", np.full(len(later), True)), ("later half", later)):
        show(
            declared,
            f"{picked}, {words}",
            course,
            times=rehearsal.times,
            rows=rows,
            no_change=no_change,
        )
    if judged.alarm is not None:
        window = declared.problem.monitoring.window
        found = [
            episode
            for episode in course.episodes
            if episode.opened <= judged.alarm < episode.last_drift + window
        ]
        told = [f"{one.opened:%Y-%m-%d} in {', '.join(one.columns)}" for one in found]
        print(f"  alarm on {judged.alarm:%Y-%m-%d}: {'; '.join(told) or 'none'}")


def show(declared, words, course, *, times, rows, no_change):
    metric = declared.problem.primary_metric
    known = rows & ~np.isnan(course.losses)
    losses = course.losses[known]
    blocks = Blocks.draw(times[known], seed=0, series=losses)
    low, high = blocks.interval(
        loss_value(metric, blocks.means(losses[:, None])[:, 0]), confidence=0.95
    )
    value = float(loss_value(metric, losses.mean()))
    first = times[known][0]
    retrained = sum(
        np.datetime64(one.at.replace(tzinfo=None), "us") >= first for one in course.retrainings
    )
    text = f"{metric} {value:.2f} ({low:.2f} to {high:.2f})"
    if no_change is not None:
        kept = no_change[known].mean()
        text = (
            f"accuracy {1 - value:.4f} ({1 - high:.4f} to {1 - low:.4f}), no change "
            f"{1 - kept:.4f}, temporal kappa {(kept - value) / kept:+.3f}"
        )
    print(f"  {words:24} {retrained:4} retrainings  {text}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(JUDGED), help="problems")
    parser.add_argument("--home", type=Path, help="where tables are kept and found again")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        for name in asked.names:
            run(name, asked.home or Path(folder))


if __name__ == "__main__":
    main()
