"""How often the audited interval of a day's loss holds the truth, at its last look and at all.

Two worlds. The plant: a model learns from five days, its loss estimator from the next four, and six
days after a change are judged, with a fresh plant for each seed and each scenario. The
autoregression: a linear world whose noise has autocorrelation 0.8, whose slope turns and whose
noise grows. Each day a part of the rows is drawn and labelled; labels come one after the other, and
the interval is read after each of them.

Beside it stand the audit without the estimate, the estimate without an audit (which concept drift
leaves behind), and an interval of the audit by Student's t that is read after each label, which is
what people do.

Run: python -m benchmarks.audited_performance --seeds 30
"""

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from scipy.stats import beta, t
from sklearn.ensemble import HistGradientBoostingRegressor

from ml_assets.core.estimation.audited import LOSS_SKEWNESS, audited_mean, power
from ml_assets.core.estimation.loss_estimator import AnsweredRows, fit_loss_estimator
from ml_assets.core.window import Window
from ml_assets.plant import Plant

CONFIDENCE, FEWEST = 0.95, 10
START, DAY = datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=1)
TRAINED, REFERENCE, JUDGED = 5, 4, 6  # days
ROWS_A_DAY = 360
AUDITS = (20, 50)
SCENARIOS = ("quiet", "friction_step", "spring_fatigue", "weak_actuator", "sensor_bias")


@dataclass(frozen=True)
class World:
    """Answered days with their truth, and what the estimator says of them.

    Attributes:
        losses: By day, of all rows.
        estimates: The same.
        reliability: Of the estimator.
    """

    losses: list[np.ndarray]
    estimates: list[np.ndarray]
    reliability: object


@dataclass(frozen=True)
class Reading:
    """One audited day."""

    held: bool
    held_always: bool
    alone_held: bool
    student_held_always: bool
    estimate_held: bool
    width: float
    alone_width: float
    loss: float


def plant_world(scenario, seed):
    """The error of a model of the plant's next amplitude, before and after a change."""
    days = TRAINED + REFERENCE
    name = scenario if scenario == "quiet" else f"{scenario}@P{days}D"
    plant = Plant(name, rigs=5, reading_every=timedelta(minutes=20), seed=seed)
    window = Window(START, START + (days + JUDGED) * DAY)
    rows = plant.readings(window).merge(plant.labels(window), on=["rig", "measured_at"])
    rows = rows.replace([-999.0, 9999.0], np.nan)
    rows["load"] = rows["load"].astype("category").cat.codes.astype(float)
    columns = [
        name
        for name in rows.columns
        if name not in ("rig", "measured_at", "next_amplitude_mm", "known_at")
    ]
    day = ((rows["measured_at"] - pd.Timestamp(START)) / pd.Timedelta(DAY)).astype(int).to_numpy()
    return world_of(rows[columns].astype(float), rows["next_amplitude_mm"].to_numpy(), day, seed)


def autoregressive_world(change, seed):
    """A linear world with autocorrelated noise whose slope turns and whose noise grows."""
    generator = np.random.default_rng(seed)
    count = (TRAINED + REFERENCE + JUDGED) * ROWS_A_DAY
    noise = generator.normal(size=count)
    for at in range(1, count):
        noise[at] += 0.8 * noise[at - 1]
    inputs = generator.normal(size=(count, 4))
    day = np.arange(count) // ROWS_A_DAY
    changed = change * (day >= TRAINED + REFERENCE)
    size = 0.3 + 0.5 * np.log1p(np.exp(inputs[:, 1]))
    y = (2 + 2 * changed) * inputs[:, 0] + inputs[:, 2] + (1 + changed) * size * noise
    frame = pd.DataFrame(inputs, columns=[f"x{n}" for n in range(4)])
    return world_of(frame, y, day, seed)


def world_of(frame, y, day, seed):
    learned = day < TRAINED
    model = HistGradientBoostingRegressor(max_iter=80, learning_rate=0.15, random_state=seed)
    model.fit(frame[learned], y[learned])
    answers = model.predict(frame)
    losses = np.abs(answers - y)
    reference = np.flatnonzero((day >= TRAINED) & (day < TRAINED + REFERENCE))
    rows = AnsweredRows(frame, answers)
    estimator = fit_loss_estimator(
        rows.rows(reference),
        losses[reference],
        metric="mae",
        numeric=tuple(frame.columns),
        categorical=(),
        seed=seed,
    )
    judged = [np.flatnonzero(day == one) for one in range(TRAINED + REFERENCE, day.max() + 1)]
    estimates = [estimator.losses(rows.rows(at)) for at in judged]
    return World([losses[at] for at in judged], estimates, estimator.reliability)


def readings(world, audit, generator):
    """Audit day after day; what earlier days' audits said of the estimate is used on the next."""
    before = np.empty((2, 0))
    tried = world.reliability
    for losses, estimates in zip(world.losses, world.estimates, strict=True):
        drawn = generator.permutation(len(losses))[:audit]
        weight = power(*before, prior_slope=tried.slope, prior_variance=tried.estimate_variance)
        yield read(losses, estimates, drawn, weight, tried)
        before = np.concatenate([before, [losses[drawn], estimates[drawn]]], axis=1)


def read(losses, estimates, drawn, weight, tried):
    def look(rows, weight):
        return audited_mean(
            losses[drawn[:rows]],
            estimates[drawn[:rows]],
            all_estimates=estimates,
            weight=weight,
            planned=len(drawn),
            prior_variance=tried.loss_variance,
            prior_skewness=LOSS_SKEWNESS,
            confidence=CONFIDENCE,
        )

    truth = losses.mean()
    looks = [look(rows, weight) for rows in range(FEWEST, len(drawn) + 1)]
    alone = look(len(drawn), 0.0)
    held = [one.low <= truth <= one.high for one in looks]
    margin = tried.margin(len(losses), confidence=CONFIDENCE)
    return Reading(
        held=held[-1],
        held_always=all(held),
        alone_held=alone.low <= truth <= alone.high,
        student_held_always=all(
            student(losses[drawn[:rows]], truth) for rows in range(FEWEST, len(drawn) + 1)
        ),
        estimate_held=abs(estimates.mean() - truth) <= margin,
        width=looks[-1].high - looks[-1].low,
        alone_width=alone.high - alone.low,
        loss=truth,
    )


def student(losses, truth):
    half = t.ppf((1 + CONFIDENCE) / 2, len(losses) - 1) * losses.std(ddof=1) / len(losses) ** 0.5
    return abs(losses.mean() - truth) <= half


def share(held):
    """Return a share in per cent with its 95 % interval (Clopper & Pearson 1934)."""
    hits, runs = int(np.sum(held)), len(held)
    low = beta.ppf(0.025, hits, runs - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, runs - hits) if hits < runs else 1.0
    return f"{100 * hits / runs:5.1f} ({100 * low:4.1f} to {100 * high:5.1f})"


def line(name, audit, found):
    width = np.mean([one.width for one in found])
    alone = np.mean([one.alone_width for one in found])
    loss = np.mean([one.loss for one in found])
    print(
        f"{name:<16} {audit:>5} {len(found):>5}  {share([o.held for o in found]):<23} "
        f"{share([o.held_always for o in found]):<23} {share([o.alone_held for o in found]):<23} "
        f"{share([o.student_held_always for o in found]):<23} "
        f"{share([o.estimate_held for o in found]):<23} {width / loss:>6.2f} {alone / loss:>6.2f}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=30, help="worlds of each kind")
    seeds = range(parser.parse_args().seeds)
    print(f"per cent of days, {CONFIDENCE:.0%} intervals; widths in mean losses")
    print(
        f"{'world':<16} {'audit':>5} {'days':>5}  {'audited':<23} {'audited, every look':<23} "
        f"{'audit alone':<23} {'t, every look':<23} {'estimate':<23} {'width':>6} {'alone':>6}"
    )
    worlds = {name: [plant_world(name, seed) for seed in seeds] for name in SCENARIOS}
    for change in (0.0, 0.5, 1.0):
        name = f"AR 0.8, turn {change}"
        worlds[name] = [autoregressive_world(change, seed) for seed in seeds]
    for audit in AUDITS:
        drifting = []
        for name, made in worlds.items():
            found = [
                one
                for seed, world in zip(seeds, made, strict=True)
                for one in readings(world, audit, np.random.default_rng([seed, audit]))
            ]
            line(name, audit, found)
            drifting += found if name not in ("quiet", "AR 0.8, turn 0.0") else []
        line("all with drift", audit, drifting)


if __name__ == "__main__":
    main()
