"""Real tables: a policy is picked by rehearsal on the earlier half, and judged on the later one.

Each problem runs from its file through the data job. The policies are compared on the first half of
the judged stretch, with light models, as ``ml-assets rehearse`` does. Then the pick is followed
over the whole stretch with models as in life; with ``--all``, every policy is. At last the fixed
schedules of ``real_tables`` are replayed: both have to say the same.

    python -m benchmarks.rehearsed_policies [--all] [--home FOLDER] [bike_sharing elec2 ...]
"""

import argparse
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import duckdb
import numpy as np

from benchmarks.real_tables import COURSES, at, declared_table, materialised
from ml_assets.core.bootstrap import Blocks
from ml_assets.core.metrics import loss_value
from ml_assets.core.rehearsal.comparison import compare_policies
from ml_assets.core.rehearsal.fits import EXACT, Fits
from ml_assets.core.rehearsal.live import World, live_through
from ml_assets.core.rehearsal.past import Past
from ml_assets.core.rehearsal.policies import ALWAYS, NAMES, Policy, compared_policies
from ml_assets.core.rehearsal.rehearse import rehearse
from ml_assets.core.rehearsal.version import Version
from ml_assets.core.training import Configuration
from ml_assets.core.window import Window, cut, floor
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.rehearsal import ModelShelf, read_past
from ml_assets.storage.rehearsal_record import rehearse_problem

POLICIES = tuple(name for name in NAMES if name != ALWAYS)  # which nobody can declare


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


@dataclass(frozen=True)
class Halves:
    """A stretch of a table, and where its later half begins."""

    declared: DeclaredProblem
    past: Past
    whole: Window
    half: datetime

    def show(self, course, *, mark=" "):
        """Print what a course lost in the later half, and in all."""
        rows = self.past.between(self.whole)
        later = self.past.times[rows] >= np.datetime64(self.half.replace(tzinfo=None), "us")
        for words, chosen in (("later half", later), ("whole", np.full(len(later), True))):
            print(
                f"  {mark} {course.policy:22} {words:10} {self._figures(course, chosen)}",
                flush=True,
            )

    def _figures(self, course, chosen):
        metric, rows = self.declared.problem.primary_metric, self.past.between(self.whole)
        known = chosen & ~np.isnan(course.losses)
        losses, times = course.losses[known], self.past.times[rows][known]
        blocks = Blocks.draw(times, seed=0, series=losses)
        drawn = loss_value(metric, blocks.means(losses[:, None])[:, 0])
        low, high = blocks.interval(drawn, confidence=0.95)
        value = float(loss_value(metric, losses.mean()))
        asked = [np.datetime64(one.at.replace(tzinfo=None), "us") for one in course.retrainings]
        counted = f"{sum(one >= times[0] for one in asked):4} retrainings  "
        if self.declared.problem.task == "regression":
            return f"{counted}{metric} {value:.2f} ({low:.2f} to {high:.2f})"
        # Temporal kappa compares with the last known label, on the same rows.
        before = self.past.frame["baseline__persistence"].fillna("").to_numpy()[rows]
        kept = (before != self.past.last_labels()[rows]).astype(float)[known].mean()
        return (
            f"{counted}accuracy {1 - value:.4f} ({1 - high:.4f} to {1 - low:.4f}), no change "
            f"{1 - kept:.4f}, temporal kappa {(kept - value) / kept:+.3f}"
        )


def run(name, home, *, everybody):
    judged = JUDGED[name]
    declared = declared_table(name)
    with dg.DagsterInstance.ephemeral() as instance, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        workspace = materialised(declared, home, instance)
        whole = judged.window
        half = floor(whole.start + (whole.end - whole.start) / 2, declared.problem.partitions.every)
        picked = pick(connection, workspace, declared, Window(whole.start, half))
        print(f"  target: {judged.target}")
        past = read_past(
            connection,
            workspace.lake,
            declared,
            Window(declared.problem.partitions.start, whole.end),
        )
    halves = Halves(declared, past, whole, half)
    follow(halves, picked, judged.alarm, POLICIES if everybody else (picked,))
    fixed_schedule(halves, COURSES[name].every)


def pick(connection, workspace, declared, earlier):
    began = time.perf_counter()
    rehearsal = rehearse_problem(connection, workspace, declared, earlier, names=POLICIES, seed=0)
    compared = compare_policies(rehearsal)
    print(
        f"\n{declared.problem.name}: rehearsed {earlier.start:%Y-%m-%d} to {earlier.end:%Y-%m-%d} "
        f"in {time.perf_counter() - began:.0f} s"
    )
    for one in compared.figures:
        mark = "*" if one.policy == compared.picked else " "
        print(
            f"  {mark} {one.policy:17} loss {one.loss.value:.4f} ({one.loss.low:.4f} to "
            f"{one.loss.high:.4f}), {one.retrainings} retrainings, {one.promotions} promoted, "
            f"loss and cost {one.total:.4f}, more than the least by {one.behind.value:.4f} "
            f"({one.behind.low:.4f} to {one.behind.high:.4f})",
            flush=True,
        )
    return compared.picked


def follow(halves, picked, alarm, names):
    """Follow policies over the whole stretch with models as in life; the pick is marked."""
    problem = halves.declared.problem
    steps = list(cut(halves.whole, problem.partitions.every))
    policies = compared_policies(problem, steps, names=names)
    with TemporaryDirectory() as shelf:
        rehearsal = rehearse(
            problem,
            halves.past,
            policies,
            steps=steps,
            seed=0,
            fidelity=EXACT,
            shelf=ModelShelf(Path(shelf)),
            jobs=2,
        )
    for policy in names:
        halves.show(rehearsal.course(policy), mark="*" if policy == picked else " ")
    if alarm is None:
        return
    window = problem.monitoring.window
    for policy in names:
        found = [
            episode
            for episode in rehearsal.course(policy).episodes
            if episode.opened <= alarm < episode.last_drift + window
        ]
        told = [f"{one.opened:%Y-%m-%d} in {', '.join(one.columns)}" for one in found]
        print(f"  {policy}: alarm on {alarm:%Y-%m-%d}: {'; '.join(told) or 'none'}")


def fixed_schedule(halves, every):
    """Replay what ``real_tables`` does: its figures and these have to be the same."""
    problem, whole = halves.declared.problem, halves.whole
    steps = []
    while not steps or steps[-1].end < whole.end:
        start = steps[-1].end if steps else whole.start
        steps.append(Window(start, min(start + every, whole.end)))
    ticks = tuple(step.end for step in steps[:-1])
    for candidate in problem.candidates:
        configuration = Configuration.of_candidate(candidate)
        fits = Fits({}, fidelity=EXACT, clock=time.process_time)
        world = World(problem, halves.past, steps, fits, seed=0)
        model = fits(configuration, halves.past.known_by(whole.start), seed=0)
        first = Version(candidate.name, configuration, model, whole.start, None, None)  # unwatched
        policy = Policy(
            f"fixed, {candidate.name}",
            problem.retraining,
            ticks,
            asks_gates=False,
            watches=False,
        )
        halves.show(live_through(world, policy, first))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(JUDGED), help="problems")
    parser.add_argument("--home", type=Path, help="where tables are kept and found again")
    parser.add_argument("--all", action="store_true", help="follow every policy")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        for name in asked.names:
            run(name, asked.home or Path(folder), everybody=asked.all)


if __name__ == "__main__":
    main()
