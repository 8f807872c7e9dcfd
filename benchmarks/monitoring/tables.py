"""The tables, one for each line of what the system is to reach."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from benchmarks.monitoring.detection import LOOKS, months_watched, windows_after_change
from benchmarks.monitoring.figures import Rate, Share, over_seeds, table
from benchmarks.monitoring.goals import SOON, WITHIN, goals
from benchmarks.monitoring.lives import CHANGES
from ml_assets.components.loading import declared_problem
from ml_assets.core.change.parameters import ERROR_RATE
from ml_assets.plant import SCENARIOS

UNITS = {
    "stiffness_n_m": "N/m",
    "friction_coefficient": "1",
    "actuator_gain": "N m²/A²",
    "sensor_bias_mm": "mm",
}


def show(seen: Sequence) -> None:
    """Print every table."""
    monitoring = declared_problem("plant").problem.monitoring
    goals(seen, monitoring.false_alarms_per_month)
    detection(seen, monitoring.window)
    false_alarms(seen, monitoring)
    naming(seen)
    parameter_changes(seen)
    auditing(seen)
    if any(one.adapted for one in seen):
        adaptation(seen)


def detection(seen: Sequence, window: timedelta) -> None:
    rows = []
    for scenario in (*CHANGES, "all"):
        names = CHANGES if scenario == "all" else (scenario,)
        cases = [one.found[name] for one in seen for name in names]
        delays = [[f.delay for f in (one.found[n] for n in names) if f.delay] for one in seen]
        told = [one for one in cases if one.delay is not None]
        rows.append(
            (
                scenario,
                Share(sum(one.delay <= SOON for one in told), len(cases)),
                Share(sum(one.after_settled <= SOON for one in told), len(cases)),
                Share(len(told), len(cases)),
                over_seeds(delays, form=".1f"),
            )
        )
    possible = windows_after_change(window)
    rows += [
        ("always fires", "100 %", "100 %", "100 %", "1"),
        ("never fires", "0 %", "0 %", "0 %", f"never in {possible}"),
    ]
    table(
        f"Drift found (goal: at least 95 % within {SOON} windows of {window})",
        [
            "scenario",
            f"told within {SOON} windows of its onset",
            f"told within {SOON} windows of its full size",
            "told at all",
            "mean delay from the onset, windows",
        ],
        rows,
    )


def false_alarms(seen: Sequence, monitoring) -> None:
    months = months_watched() * len(seen)
    alarms = sum(one.false_episodes for one in seen)
    windows = sum(one.windows for one in seen)
    budget = getattr(monitoring, "false_alarms_per_month", None)
    table(
        f"False alarms without a change (budget: {budget} a month)",
        ["rule", "alarms"],
        [
            ("this system", Rate(alarms, months)),
            ("always fires", f"{windows / months:.0f} a month"),
            ("never fires", "0 a month"),
        ],
    )


def naming(seen: Sequence) -> None:
    rows = []
    for scenario in (*CHANGES, "all"):
        names = CHANGES if scenario == "all" else (scenario,)
        lives, row, wrong = len(seen) * len(names), [scenario], 0
        for look in range(len(LOOKS)):
            cases = [(n, one.named[n][look]) for one in seen for n in names if one.named[n]]
            right = sum(SCENARIOS[n].parameter == named.parameter for n, named in cases)
            wrong += sum(named.parameter is not None for _, named in cases) - right
            row.append(Share(right, lives))
        rows.append((*row, f"{wrong} of {lives * len(LOOKS)}"))
    rows += [
        ("always one (stiffness)", *["25 %"] * len(LOOKS), "75 %"),
        ("never", *["0 %"] * len(LOOKS), "0 %"),
    ]
    heads = [f"{look.days} d after drift was told" if look else "when told" for look in LOOKS]
    table(
        "The right parameter named (goal: at least 90 %)",
        ["scenario", *heads, "another one named"],
        rows,
    )
    false, looks = np.sum([one.falsely_named for one in seen], axis=0)
    table(
        f"A parameter named where nothing changed (error rate: {ERROR_RATE:.0%} a look)",
        ["looks with one"],
        [(Share(int(false), int(looks)),)],
    )


def parameter_changes(seen: Sequence) -> None:
    rows = []
    for scenario in CHANGES:
        unit = UNITS[SCENARIOS[scenario].parameter]
        for look, after in enumerate(LOOKS):
            named = [one.named[scenario][look] for one in seen if one.named[scenario]]
            right = [n for n in named if n.parameter == SCENARIOS[scenario].parameter]
            if right:
                told, true = (
                    f"{np.mean([getattr(n, figure) for n in right]):.4g}"
                    for figure in ("change", "true_change")
                )
                held = Share(sum(n.low <= n.true_change <= n.high for n in right), len(right))
                rows.append((scenario, f"{after.days} d", unit, true, told, held))
    table(
        "Its change, where it was named",
        [
            "scenario",
            "after drift was told",
            "unit",
            "true (mean)",
            "told (mean)",
            "interval holds the truth",
        ],
        rows,
    )


def auditing(seen: Sequence) -> None:
    rows = []
    groups = {"quiet": [("quiet", False)], "before a change": [(n, False) for n in CHANGES]}
    groups |= {f"after {n}": [(n, True)] for n in CHANGES}
    groups["after any change"] = [(n, True) for n in CHANGES]
    for title, parts in groups.items():
        by_seed = [
            [a for name, changed in parts for a in one.audits[name] if a.changed is changed]
            for one in seen
        ]
        if title == "before a change":
            continue
        days = [a for own in by_seed for a in own]
        rows.append(
            (
                title,
                len(days),
                over_seeds([[a.held for a in own] for own in by_seed], form=".1%"),
                over_seeds([[a.held_always for a in own] for own in by_seed], form=".1%"),
                over_seeds([[a.width for a in own] for own in by_seed], form=".0%"),
                over_seeds([[a.estimate_error for a in own] for own in by_seed], form="+.0%"),
            )
        )
    rows += [
        ("always infinitely wide", "", "100 %", "100 %", "infinite", ""),
        ("never anything", "", "0 %", "0 %", "0 %", ""),
    ]
    table(
        "The audited interval of a day holds the day's true loss (goal: at least 93 %)",
        [
            "days",
            "number",
            "at its last look",
            "at every look",
            "mean width, of the true loss",
            "error of the estimate without an audit",
        ],
        rows,
    )


def adaptation(seen: Sequence) -> None:
    rows = []
    for scenario in (*CHANGES, "all"):
        names = CHANGES if scenario == "all" else (scenario,)
        for policy in ("declared", "always", "never"):
            ratios = [
                [
                    one.adapted[n][policy].after / one.adapted[n]["oracle"].after
                    for n in names
                    if n in one.adapted
                ]
                for one in seen
            ]
            flat = [ratio for own in ratios for ratio in own]
            mine = [one.adapted[n][policy] for one in seen for n in names if n in one.adapted]
            rows.append(
                (
                    scenario,
                    policy,
                    *(f"{np.mean([getattr(a, f) for a in mine]):.2f}" for f in PHASES),
                    over_seeds(ratios, form=".3f"),
                    Share(sum(ratio <= WITHIN for ratio in flat), len(flat)),
                    f"{np.mean([a.retrainings for a in mine]):.1f}",
                    f"{np.mean([a.promotions for a in mine]):.1f}",
                )
            )
    table(
        "Loss after adaptation (goal: within 10 % of the oracle)",
        [
            "scenario",
            "policy",
            "before, mm",
            "until adapted, mm",
            "last 5 days, mm",
            "last days, of the oracle's",
            "lives within 10 %",
            "retrainings",
            "promotions",
        ],
        rows,
    )


PHASES = ("before", "between", "after")
