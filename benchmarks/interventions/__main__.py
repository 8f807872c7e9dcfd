"""What interventions gain until the next version, and what they cost where nothing changed.

    python -m benchmarks.interventions [--seeds 8] [--jobs 2] [plant bike_sharing ...]

The plant: each scenario and a life without change, under ``never`` and under the declared policy.
Real tables: the judged stretch, under ``never`` and ``scheduled``, with the light models of a
rehearsal; a table's data job runs first. Losses are absolute errors, of classes log losses.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import duckdb
import numpy as np
from joblib import Parallel, delayed

from benchmarks.interventions.applied import Begun, RecordedWorld, told
from benchmarks.monitoring.figures import Rate, over_seeds, table
from benchmarks.monitoring.lives import CHANGES, DAY, END, ONSET, QUICK, SERVES, Life
from benchmarks.real_tables import COURSES, declared_table, materialised
from ml_assets.core.bootstrap import Blocks
from ml_assets.core.one_thread import one_thread
from ml_assets.core.rehearsal.fits import Fidelity, Fits
from ml_assets.core.rehearsal.live import live_through
from ml_assets.core.rehearsal.policies import DECLARED, NEVER, SCHEDULED, compared_policies
from ml_assets.core.window import Window, cut
from ml_assets.storage.rehearsal import read_past

QUIET = "quiet"
POLICIES = (NEVER, DECLARED)
STRETCHES = {
    "first day": (0, 1),
    "second day": (1, 2),
    "days 3 to 14": (2, 14),
    "all 14 days": (0, 14),
}


@dataclass(frozen=True)
class Lived:
    """A plant's life under one policy: mean losses without and with, by stretch, and what began."""

    losses: dict[str, tuple[float, float]]
    begun: tuple[Begun, ...]

    @property
    def delay(self):
        """Days from the onset to the first intervention after it; None if there was none."""
        return min(((one.at - ONSET) / DAY for one in self.begun if one.at >= ONSET), default=None)


def plant_life(scenario, seed):
    """Live with the declared policy and without any retraining."""
    with one_thread():
        life = Life.of(scenario, seed)
        fits = Fits({}, fidelity=QUICK, clock=time.process_time)
        world = RecordedWorld(life.world.problem, life.past, life.world.steps, fits, seed)
        version = world.trial(SERVES, None, None)[0].version
        times = life.past.times[life.past.between(Window(SERVES, END))]
        found = {}
        for policy in compared_policies(world.problem, world.steps, names=POLICIES):
            world.served.clear()
            live_through(world, policy, version)
            came = told(world, tuple(world.served), END)
            losses = {}
            for words, days in STRETCHES.items():
                part = slice(*np.searchsorted(times, [_moment(day) for day in days]))
                losses[words] = (np.nanmean(came.before[part]), np.nanmean(came.after[part]))
            found[policy.name] = Lived(losses, came.begun)
    return found


def _moment(day):
    return np.datetime64((ONSET + day * DAY).replace(tzinfo=None), "us")


def plant(seeds, jobs):
    """Print what interventions come to on the plant."""
    cases = [(scenario, seed) for seed in seeds for scenario in (QUIET, *CHANGES)]
    lived = Parallel(n_jobs=jobs)(delayed(plant_life)(*case) for case in cases)
    lives = dict(zip(cases, lived, strict=True))
    for policy in POLICIES:
        rows = [
            _row(name, [lives[name, seed][policy] for seed in seeds]) for name in (QUIET, *CHANGES)
        ]
        table(
            f"Plant, {policy}: loss with interventions, of the loss without",
            ["life", *STRETCHES, "lives with one", "median days after the onset"],
            rows,
        )
        calm = [(QUIET, END)] + [(name, ONSET) for name in CHANGES]
        needless = sum(
            one.at < end
            for name, end in calm
            for s in seeds
            for one in lives[name, s][policy].begun
        )
        months = sum((end - SERVES) / DAY / 30 for _, end in calm) * len(seeds)
        print(f"Needless ones, while nothing had changed: {Rate(needless, months)}")


def _row(name, lives):
    ratios = [
        over_seeds(
            [[after / before] for before, after in (one.losses[s] for one in lives)], form=".3f"
        )
        for s in STRETCHES
    ]
    delays = [one.delay for one in lives if one.delay is not None]
    median = f"{np.median(delays):.2f}" if delays else ""
    return name, *ratios, f"{len(delays)} of {len(lives)}", median


def real_table(name, home):
    """Print what interventions come to on a real table."""
    declared, course = declared_table(name), COURSES[name]
    with dg.DagsterInstance.ephemeral() as instance, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        workspace = materialised(declared, home, instance)
        everything = Window(declared.problem.partitions.start, course.judged.end)
        past = read_past(connection, workspace.lake, declared, everything)
    steps = tuple(cut(course.judged, declared.problem.partitions.every))
    fits = Fits({}, fidelity=Fidelity.affordable(len(steps)), clock=time.process_time)
    world = RecordedWorld(declared.problem, past, steps, fits, 0)
    rows = []
    with one_thread():
        version = world.trial(steps[0].start, None, None)[0].version
        for policy in compared_policies(declared.problem, steps, names=(NEVER, SCHEDULED)):
            world.served.clear()
            live_through(world, policy, version)
            came = told(world, tuple(world.served), steps[-1].end)
            rows.append((policy.name, *_cells(came, past.times[past.between(course.judged)])))
    table(
        f"{name}: loss over the whole stretch",
        ["policy", "without", "with", "ratio (95 %)", "begun"],
        rows,
    )


def _cells(came, times):
    known = np.isfinite(came.before)
    both = np.column_stack([came.before, came.after])[known]
    drawn = Blocks.draw(times[known], seed=0, series=both[:, 0]).means(both)
    low, high = np.quantile(drawn[:, 1] / drawn[:, 0], [0.025, 0.975])
    before, after = both.mean(axis=0)
    kinds = [one.kind for one in came.begun]
    counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
    ratio = f"{after / before:.3f} ({low:.3f} to {high:.3f})"
    return f"{before:.4f}", f"{after:.4f}", ratio, counted or "none"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "names", nargs="*", default=["plant", "bike_sharing", "elec2", "metro_traffic"]
    )
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first", type=int, default=500, help="first seed")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--home", type=Path, help="where tables are kept and found again")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        for name in asked.names:
            if name == "plant":
                plant(range(asked.first, asked.first + asked.seeds), asked.jobs)
            else:
                real_table(name, asked.home or Path(folder))


if __name__ == "__main__":
    main()
