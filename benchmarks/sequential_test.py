"""How often the sequential test promotes a challenger that is no better, and how soon a better one.

A challenger answers two weeks of requests, four an hour. After every hour the test looks again and
stops at its first verdict. In the shadow both versions answer each request; in a split the hash of
one of 120 keys decides who does, and keys differ in how hard they are. Losses are independent,
autocorrelated from hour to hour (0.8, of each version and in common), or heavy-tailed (absolute
values of Student's t with three degrees of freedom, cubes of exponentials).

Beside it stand a t-test of the same figures at the end of the two weeks only, which has to wait for
them, and a t-test that is looked at every hour, which is what people do.

Run: python -m benchmarks.sequential_test --repetitions 400
"""

import argparse
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from scipy.special import stdtr
from scipy.stats import beta

from ml_assets.core.gain import PairedRows, SplitRows
from ml_assets.core.sequential_test import FEWEST_DEGREES, Rule, judge

HOURS, ROWS_AN_HOUR, KEYS = 24 * 14, 4, 120
HOUR = timedelta(hours=1)
START = np.datetime64("2024-01-01T00", "us")
RULE = Rule(alpha=0.05, alpha_roll_back=0.05, min_rows=100)
GAINS = (0.0, 0.05, 0.1, 0.2)
PERSISTENCE = 0.8


def independent(generator, shape):
    return generator.exponential(size=shape)


def autocorrelated(generator, shape):
    """Exponential losses whose hourly level is an autoregression, half of it in common."""
    versions, rows = shape
    hours = rows // ROWS_AN_HOUR
    common, own = _levels(generator, 1, hours), _levels(generator, versions, hours)
    level = np.exp(0.5 * np.sqrt(0.5) * (common + own) - 0.125)
    return np.repeat(level, ROWS_AN_HOUR, axis=1) * generator.exponential(size=shape)


def _levels(generator, versions, hours):
    level = np.empty((versions, hours))
    level[:, 0] = generator.normal(size=versions)
    for hour in range(1, hours):
        shock = np.sqrt(1 - PERSISTENCE**2) * generator.normal(size=versions)
        level[:, hour] = PERSISTENCE * level[:, hour - 1] + shock
    return level


def student(generator, shape):
    return np.abs(generator.standard_t(3, size=shape))


def cubes(generator, shape):
    return generator.exponential(size=shape) ** 3 / 6


LOSSES = {
    "independent": independent,
    "autocorrelated 0.8": autocorrelated,
    "Student's t, 3 degrees": student,
    "cubed exponentials": cubes,
}


def paired(losses, generator, gain):
    found = losses(generator, (2, HOURS * ROWS_AN_HOUR))
    found[1] *= 1 - gain
    times = START + np.arange(HOURS).repeat(ROWS_AN_HOUR).astype("timedelta64[h]")
    return lambda hours: PairedRows(
        found[0, : hours * ROWS_AN_HOUR],
        found[1, : hours * ROWS_AN_HOUR],
        times[: hours * ROWS_AN_HOUR],
        HOUR,
    )


def split(losses, generator, gain):
    both = losses(generator, (2, HOURS * ROWS_AN_HOUR))
    both[1] *= 1 - gain
    keys = generator.integers(0, KEYS, HOURS * ROWS_AN_HOUR)
    hardness = generator.lognormal(-0.045, 0.3, KEYS)
    challenger = (generator.random(KEYS) < 0.5)[keys]
    found = np.where(challenger, both[1], both[0]) * hardness[keys]
    times = START + np.arange(HOURS).repeat(ROWS_AN_HOUR).astype("timedelta64[h]")
    return lambda hours: SplitRows(
        found[: hours * ROWS_AN_HOUR],
        challenger[: hours * ROWS_AN_HOUR],
        keys[: hours * ROWS_AN_HOUR],
        times[: hours * ROWS_AN_HOUR],
        HOUR,
    )


DESIGNS = {"shadow": paired, "split": split}


@dataclass(frozen=True)
class Outcome:
    """What three tests did with one challenger.

    Attributes:
        verdict: Of the sequential test; "go_on" if it never came to one.
        hours: Until then.
        once: Whether the t-test at the end promotes.
        peeking: Whether the t-test that is looked at every hour ever does.
    """

    verdict: str
    hours: int
    once: bool
    peeking: bool


def run(design, losses, *, gain, seed):
    seen = DESIGNS[design](LOSSES[losses], np.random.default_rng(seed), gain)
    verdict, stopped, peeking = "go_on", HOURS, False
    for hours in range(2, HOURS + 1):
        evidence = judge(seen(hours), RULE)
        if verdict == "go_on" and evidence.verdict != "go_on":
            verdict, stopped = evidence.verdict, hours
        peeking = peeking or naive(seen(hours))
        if verdict != "go_on" and peeking:
            break
    return Outcome(verdict, stopped, once(seen(HOURS)), peeking)


def once(rows):
    """The test at a horizon, with the same estimates."""
    gain = rows.gain()
    if gain is None or gain.degrees < FEWEST_DEGREES:
        return False
    return float(stdtr(gain.degrees, -gain.estimate / gain.variance**0.5)) <= RULE.alpha


def naive(rows):
    """The two-sample test over rows, as if each were an observation of its own."""
    if isinstance(rows, PairedRows):
        ours, theirs = rows.challenger, rows.champion
    else:
        ours, theirs = rows.losses[rows.challenger], rows.losses[~rows.challenger]
    if min(len(ours), len(theirs)) < RULE.min_rows:
        return False
    error = (ours.var(ddof=1) / len(ours) + theirs.var(ddof=1) / len(theirs)) ** 0.5
    return float(stdtr(len(ours) - 1, -(theirs.mean() - ours.mean()) / error)) <= RULE.alpha


def share(hits, runs):
    low = beta.ppf(0.025, hits, runs - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, runs - hits) if hits < runs else 1.0
    return f"{100 * hits / runs:5.1f} ({100 * low:4.1f} to {100 * high:4.1f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=400, help="runs, each with its own seed")
    parser.add_argument("--gains", type=float, nargs="+", default=GAINS)
    arguments = parser.parse_args()
    runs = arguments.repetitions
    print(f"per cent of {runs} runs with 95 % intervals; alpha {RULE.alpha}; a look every hour")
    head = f"{'design':<7} {'losses':<23} {'gain':>4}  {'promotes':<22} {'rolls back':<22}"
    print(f"{head} {'median h':>8}  {'t-test at the end':<22} t-test every hour")
    for design in DESIGNS:
        for losses in LOSSES:
            for gain in arguments.gains:
                found = [run(design, losses, gain=gain, seed=seed) for seed in range(runs)]
                promoted = [one.hours for one in found if one.verdict == "promote"]
                back = sum(one.verdict == "roll_back" for one in found)
                hours = f"{np.median(promoted):8.0f}" if promoted else " " * 8
                print(
                    f"{design:<7} {losses:<23} {gain:>4.2f}  {share(len(promoted), runs):<22} "
                    f"{share(back, runs):<22} {hours}  "
                    f"{share(sum(one.once for one in found), runs):<22} "
                    f"{share(sum(one.peeking for one in found), runs)}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
