"""How often a gate promotes a model that is no better, over a year of weekly retrainings.

Every week a cubic ridge regression is trained on new readings of a small plant, and is compared
with the champion on other new readings. One gate promotes whatever is better on these; the other
is the project's ``decide``. A promotion is useless if the true error, on 20,000 readings without
end, is not lower by half a percent.

Run: python benchmarks/gate_false_promotions.py --repetitions 15
"""

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import NormalDist

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from ml_assets.core.evaluation import LOSS, Evaluation
from ml_assets.core.gates import decide
from ml_assets.core.problem import Problem

WEEKS, DRIFT_WEEK = 40, 20
TRAIN_ROWS, TEST_ROWS, TRUTH_ROWS = 1500, 600, 20_000
WORTHWHILE = 0.995  # of the champion's true error
START = datetime(2024, 1, 1, tzinfo=UTC)

PROBLEM = Problem.model_validate(
    {
        "name": "plant",
        "task": "regression",
        "source": {"kind": "files", "path": "plant.csv"},
        "time": {"columns": ["time"]},
        "partitions": {"start": START.isoformat()},
        "label": {"column": "acceleration", "delay": "PT0S"},
        "candidates": [{"name": "cubic", "estimator": "sklearn.linear_model.Ridge"}],
        "metrics": ["rmse"],
    }
)


@dataclass(frozen=True)
class Outcome:
    """What one gate did in one run."""

    promotions: int
    useless: int
    last_error: float


def readings(rows, generator, *, friction=0.15):
    """A magnet pulls a spring-held mass up a slope: features and acceleration in m/s^2."""
    position = generator.normal(0.1, 0.05, rows)
    speed = generator.normal(0, 0.3, rows)
    current = generator.uniform(0, 3, rows)
    temperature = generator.normal(25, 5, rows)
    pull = 8 * current**2 / (1 + 20 * np.abs(position - 0.05)) ** 2
    weight = 2.0 * 9.81
    brake = friction * weight * np.cos(np.pi / 6) * np.tanh(speed / 0.01)
    force = pull - 40 * position - brake - weight * np.sin(np.pi / 6)
    noise = generator.normal(0, 0.3 * (1 + np.abs(speed)))
    features = np.column_stack([position, speed, np.sign(speed), current, temperature])
    return features, force / 2.0 + noise


def trained(generator, friction):
    model = make_pipeline(StandardScaler(), PolynomialFeatures(3), Ridge(1.0))
    return model.fit(*readings(TRAIN_ROWS, generator, friction=friction))


def squared_errors(model, rows):
    features, truth = rows
    return (model.predict(features) - truth) ** 2


def point_gate(champion_loss, challenger_loss):
    return challenger_loss.mean() < champion_loss.mean()


def interval_gate(champion_loss, challenger_loss):
    times = pd.date_range(START, periods=len(champion_loss), freq="10min", unit="us")
    losses = {LOSS + "champion": champion_loss, LOSS + "cubic": challenger_loss}
    evaluation = Evaluation(
        primary_metric="rmse",
        confidence=PROBLEM.gates.confidence,
        cutoff=times[-1].to_pydatetime(),
        kinds={"champion": "champion", "cubic": "candidate"},
        folds=(),
        scores=(),
        slices=(),
        calibration=(),
        residuals=(),
        importance=(),
        fold_losses=(),
        warnings=(),
        rows=pd.DataFrame({"event_time": times, **losses}),
    )
    return decide(PROBLEM, evaluation, champion="champion").promote


GATES = {"point estimate": point_gate, "decide": interval_gate}


def run(gate, *, seed, drifts):
    """Retrain weekly with one gate; friction doubles half way if ``drifts``."""
    generator = np.random.default_rng(seed)
    champion = trained(generator, 0.15)
    promotions = useless = 0
    errors = []
    for week in range(WEEKS):
        friction = 0.3 if drifts and week >= DRIFT_WEEK else 0.15
        challenger = trained(generator, friction)
        test = readings(TEST_ROWS, generator, friction=friction)
        truth = readings(TRUTH_ROWS, np.random.default_rng(999), friction=friction)
        now = np.sqrt(squared_errors(champion, truth).mean())
        if gate(squared_errors(champion, test), squared_errors(challenger, test)):
            then = np.sqrt(squared_errors(challenger, truth).mean())
            promotions += 1
            useless += int(then > WORTHWHILE * now)
            champion, now = challenger, then
        errors.append(now)
    return Outcome(promotions, useless, float(np.mean(errors[-10:])))


def with_interval(values):
    spread = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{np.mean(values):6.2f} ± {NormalDist().inv_cdf(0.975) * spread:4.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=15, help="runs, each with its own seed")
    repetitions = parser.parse_args().repetitions
    print(f"{WEEKS} weekly retrainings, {repetitions} runs; mean ± half of the 95 % interval")
    for drifts in (False, True):
        print(f"\n{f'friction doubles in week {DRIFT_WEEK}' if drifts else 'no drift'}")
        print(
            f"{'gate':<15} {'promotions':>14} {'useless':>14} {'most':>5} "
            f"{'true RMSE at the end':>21}"
        )
        means = {}
        for name, gate in GATES.items():
            found = [run(gate, seed=seed, drifts=drifts) for seed in range(repetitions)]
            promotions = [outcome.promotions for outcome in found]
            means[name] = np.mean(promotions)
            useless = with_interval([outcome.useless for outcome in found])
            error = np.mean([outcome.last_error for outcome in found])
            print(
                f"{name:<15} {with_interval(promotions):>14} {useless:>14} {max(promotions):>5} "
                f"{error:>21.4f}"
            )
        print(f"decide promotes {means['decide'] / means['point estimate']:.2f} times as often")


if __name__ == "__main__":
    main()
