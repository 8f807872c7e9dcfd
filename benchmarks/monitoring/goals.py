"""What the system is to reach, and whether it does."""

from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.monitoring.detection import LOOKS, months_watched
from benchmarks.monitoring.figures import Rate, Share, over_seeds, table
from benchmarks.monitoring.lives import CHANGES
from ml_assets.plant import SCENARIOS

SOON = 2  # windows
WITHIN = 1.10  # of the oracle's loss


def goals(seen: Sequence, budget: float) -> None:
    """Print each goal beside what came of all lives with a change.

    A ramp is counted from its full size: at its onset there is nothing to be found yet. A name is
    judged when a day's labels of the change have come.
    """
    lives = [(one, name) for one in seen for name in CHANGES]
    rows = [_soon(lives), _alarms(seen, budget), *_named(lives), _audited(seen)]
    if any(one.adapted for one in seen):
        rows += _adapted(seen)
    table(
        f"Goals, over {len(seen)} plants and {len(lives)} lives with a change",
        ["what", "goal", "measured", "reached"],
        rows,
    )


def _soon(lives: Sequence) -> tuple:
    delays = [one.found[name].after_settled for one, name in lives]
    soon = sum(delay is not None and delay <= SOON for delay in delays)
    what = f"told within {SOON} windows of the full size of the change"
    return (what, "95 %", *_reached(soon, len(lives), 0.95))


def _alarms(seen: Sequence, budget: float) -> tuple:
    alarms = Rate(sum(one.false_episodes for one in seen), months_watched() * len(seen))
    reached = _word(alarms.events / alarms.months <= budget)
    return ("false alarms", f"{budget:g} a month", alarms, reached)


def _named(lives: Sequence) -> Iterator[tuple]:
    for look, after in reversed(list(enumerate(LOOKS[:2]))):
        right = sum(
            bool(one.named[name]) and one.named[name][look].parameter == SCENARIOS[name].parameter
            for one, name in lives
        )
        if after:
            what = f"right parameter named, {after.days} d after drift was told"
            yield (what, "90 %", *_reached(right, len(lives), 0.9))
        else:  # half a window's labels have come
            yield ("the same, at the moment of the alarm", "", Share(right, len(lives)), "")


def _audited(seen: Sequence) -> tuple:
    days = [[a.held for n in CHANGES for a in one.audits[n] if a.changed] for one in seen]
    held = np.concatenate([np.asarray(own, float) for own in days]).mean()
    shown = over_seeds(days, form=".1%")
    return ("audited interval holds the truth", "93 %", shown, _word(held >= 0.93))


def _adapted(seen: Sequence) -> list[tuple]:
    ratios = [
        [own["declared"].after / own["oracle"].after for own in one.adapted.values()]
        for one in seen
    ]
    flat = [ratio for own in ratios for ratio in own]
    near = Share(sum(ratio <= WITHIN for ratio in flat), len(flat))
    what = "loss after adaptation, of the oracle's (mean)"
    reached = _word(np.mean(flat) <= WITHIN)
    return [
        (what, f"{WITHIN:.2f}", over_seeds(ratios, form=".3f"), reached),
        (f"lives within {WITHIN:.2f} of it", "", near, ""),
    ]


def _reached(hits: int, cases: int, goal: float) -> tuple[Share, str]:
    return Share(hits, cases), _word(hits / cases >= goal)


def _word(reached: bool) -> str:
    return "yes" if reached else "no"
