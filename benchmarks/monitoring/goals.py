"""What the system is to reach, and whether it does."""

from collections.abc import Sequence

import numpy as np

from benchmarks.monitoring.detection import LOOKS, months_watched
from benchmarks.monitoring.figures import Rate, Share, over_seeds, table
from benchmarks.monitoring.lives import CHANGES
from ml_assets.plant import SCENARIOS

SOON = 2  # windows
WITHIN = 1.10  # of the oracle's loss


def goals(seen: Sequence, budget: float) -> None:
    """Print each goal beside what came of all lives with a change."""
    lives = [(one, name) for one in seen for name in CHANGES]
    rows = []
    for since, figure in (("its onset", "delay"), ("its full size", "after_settled")):
        delays = [getattr(one.found[name], figure) for one, name in lives]
        soon = sum(delay is not None and delay <= SOON for delay in delays)
        rows.append(
            (f"told within {SOON} windows of {since}", "95 %", *_reached(soon, len(lives), 0.95))
        )
    alarms = Rate(sum(one.false_episodes for one in seen), months_watched() * len(seen))
    rows.append(
        (
            "false alarms",
            f"{budget:g} a month",
            alarms,
            _word(alarms.events / alarms.months <= budget),
        )
    )
    for look, after in enumerate(LOOKS):
        named = [one.named[name] for one, name in lives]
        right = sum(
            bool(own) and own[look].parameter == SCENARIOS[name].parameter
            for own, (_, name) in zip(named, lives, strict=True)
        )
        when = f"{after.days} d after drift was told" if after else "when drift was told"
        rows.append((f"right parameter named, {when}", "90 %", *_reached(right, len(lives), 0.9)))
    days = [[a.held for n in CHANGES for a in one.audits[n] if a.changed] for one in seen]
    held = np.concatenate([np.asarray(own, float) for own in days]).mean()
    rows.append(
        (
            "audited interval holds the truth",
            "93 %",
            over_seeds(days, form=".1%"),
            _word(held >= 0.93),
        )
    )
    adapted = [
        one.adapted[name]["declared"].after / one.adapted[name]["oracle"].after
        for one, name in lives
        if name in one.adapted
    ]
    if adapted:
        ratios = [
            [one.adapted[n]["declared"].after / one.adapted[n]["oracle"].after for n in CHANGES]
            for one in seen
        ]
        rows.append(
            (
                "loss after adaptation, of the oracle's (mean)",
                f"{WITHIN:.2f}",
                over_seeds(ratios, form=".3f"),
                _word(np.mean(adapted) <= WITHIN),
            )
        )
        near = sum(ratio <= WITHIN for ratio in adapted)
        rows.append((f"lives within {WITHIN:.2f} of it", "", Share(near, len(adapted)), ""))
    table(
        f"Goals, over {len(seen)} plants and {len(lives)} lives with a change",
        ["what", "goal", "measured", "reached"],
        rows,
    )


def _reached(hits: int, cases: int, goal: float) -> tuple[Share, str]:
    return Share(hits, cases), _word(hits / cases >= goal)


def _word(reached: bool) -> str:
    return "yes" if reached else "no"
