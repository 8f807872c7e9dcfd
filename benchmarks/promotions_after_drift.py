"""How often the gate lets a worse model through after an alarm of drift.

A stream of readings every six minutes: a weighted load, a bent response to heat and noise that
wanders. The first champion learns from twenty days. Then the world changes, or does not: then the
alarm is false, and opens at the half day in which the champion did worst, the least lucky choice.
Once enough rows are labelled, challengers are trained and weighed as a retraining after drift does.
The truth is the mean loss on 20,000 new rows of the world as it is then. A promotion is false if
the promoted model is worse than the champion, and harmful if by more than the declared margin.

    python -m benchmarks.promotions_after_drift [--seeds 60] [--rules better unless_worse]
"""

import argparse
from datetime import UTC, datetime, timedelta
from statistics import mean

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from benchmarks.monitoring.figures import Share
from ml_assets.core.problem import Problem
from ml_assets.core.rehearsal.fits import EXACT, Fits
from ml_assets.core.rehearsal.past import Past
from ml_assets.core.rehearsal.version import hold_trial
from ml_assets.core.retraining_history import LEARN_AND_JUDGE
from ml_assets.core.training import predict

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SERVES, CHANGE, END = START + 20 * DAY, START + 30 * DAY, START + 40 * DAY
A_DAY = 240
DELAY = timedelta(hours=3)
TRUTH_ROWS = 20_000
MARGINS = {"better": 0.0, "not_worse": 0.01, "unless_worse": 0.02}
WORLDS = {"nothing changed": 2.0, "weight 2.2": 2.2, "weight 2.5": 2.5, "weight 4": 4.0}


def problem(promote_when, margin):
    return Problem.model_validate(
        {
            "name": "stream",
            "task": "regression",
            "source": {"kind": "files", "path": "stream.csv"},
            "time": {"columns": ["time"]},
            "partitions": {"start": START.isoformat()},
            "label": {"column": "y", "delay": "PT3H"},
            "evaluation": {"folds": 4, "horizon": "P3D", "min_train_rows": 50},
            "baselines": [{"kind": "typical"}],
            "candidates": [
                {"name": "ridge", "estimator": "sklearn.linear_model.Ridge"},
                {
                    "name": "boosted",
                    "estimator": "sklearn.ensemble.HistGradientBoostingRegressor",
                    "params": {"max_iter": 60, "max_bins": 64},
                },
            ],
            "metrics": ["mae"],
            "gates": {"promote_when": promote_when, "margin": margin},
        }
    )


def rows(generator, count, weight):
    """Return features and labels; the noise is autocorrelated and of standard deviation 0.5."""
    load, heat = generator.normal(0, 1, (2, count))
    wandering = lfilter([1], [1, -0.8], generator.normal(0, 0.3, count))
    return pd.DataFrame({"load": load, "heat": heat}), weight * load + heat**2 / 2 + wandering


def past_of(seed, weight):
    generator = np.random.default_rng(seed)
    count = (END - START) // DAY * A_DAY
    times = np.datetime64(START.replace(tzinfo=None), "us") + np.arange(count) * np.timedelta64(
        6 * 60_000_000, "us"
    )
    weights = np.where(times < np.datetime64(CHANGE.replace(tzinfo=None)), 2.0, weight)
    frame, label = rows(generator, count, weights)
    frame.insert(0, "event_time", pd.Series(times).dt.tz_localize("UTC"))
    return Past(
        frame=frame,
        target="y",
        numeric=("load", "heat"),
        categorical=(),
        label_row=np.arange(count),
        label=label,
        known_at=times + np.timedelta64(DELAY // timedelta(microseconds=1), "us"),
        superseded_at=np.full(count, np.datetime64("NaT", "us")),
    )


def worst_half_day(past, model):
    """Return when the half day begins in which a model did worst while it served."""
    first, last = ((moment - START) // DAY * A_DAY for moment in (SERVES, CHANGE))
    answers = predict(model, past.frame.iloc[first:last], "regression").values
    by_window = np.abs(past.label[first:last] - answers).reshape(-1, A_DAY // 2).mean(axis=1)
    return SERVES + int(by_window.argmax()) * DAY / 2


def trial_after(declared, past, seed, *, is_false):
    """Return the first champion and the trial that answers the alarm."""
    fits = Fits({}, fidelity=EXACT, clock=float)
    shared = {"problem": declared, "past": past, "fits": fits, "seed": seed}
    champion = hold_trial(**shared, cutoff=SERVES, champion=None, change=None).version
    opened = worst_half_day(past, champion.model) if is_false else CHANGE
    needed = LEARN_AND_JUDGE * declared.gates.min_rows / A_DAY * DAY
    cutoff = opened + needed + 2 * DELAY + timedelta(hours=1)
    return champion, hold_trial(**shared, cutoff=cutoff, champion=champion, change=opened)


def true_loss(model, weight, seed):
    frame, label = rows(np.random.default_rng(10**6 + seed), TRUTH_ROWS, weight)
    return float(np.abs(predict(model, frame, "regression").values - label).mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--rules", nargs="*", default=list(MARGINS), choices=list(MARGINS))
    asked = parser.parse_args()
    seeds = range(asked.first, asked.first + asked.seeds)
    for rule, margin in ((rule, MARGINS[rule]) for rule in asked.rules):
        declared = problem(rule, margin)
        for world, weight in WORLDS.items():
            promoted, changes = 0, []
            for seed in seeds:
                past = past_of(seed, weight)
                champion, trial = trial_after(declared, past, seed, is_false=weight == 2.0)
                if trial.decision.promote:
                    promoted += 1
                    before = true_loss(champion.model, weight, seed)
                    changes.append(true_loss(trial.version.model, weight, seed) / before - 1)
            false = sum(change > 0 for change in changes)
            harmful = sum(change > margin for change in changes)
            print(
                f"{rule:12} {world:16} promoted {Share(promoted, len(seeds))}, false "
                f"{Share(false, len(seeds))}, harmful {harmful}, true loss of the promoted "
                f"{mean(changes) if changes else 0.0:+.1%}, worst {max(changes, default=0.0):+.1%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
