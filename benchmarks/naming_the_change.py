"""Whether a change gets its right name: parameters of the plant, kinds of drift, faults of data.

- parameters: every wear scenario of the plant and every seed, one day after its full effect; rows
  since the onset against four quiet days. The quiet plant is looked at in the same way.
- kinds: wear (concept drift), a selection of rows (covariate drift) and nothing, named without the
  physical model, two days after the onset, from rows since.
- faults: put into two quiet days of the plant, and into two weeks of the bike table, named before
  any label has come; the same stretches untouched, and wear, count as false alarms.

    python -m benchmarks.naming_the_change [parameters kinds faults bikes] [--seeds 30] [--first 0]
"""

import argparse
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from benchmarks.naming_cases import (
    BIKE_STARTS,
    BIKES,
    DAY,
    HOUR,
    ONSET,
    ORIGIN,
    PLANT_FAULTS,
    PlantCase,
    bike_rows,
    broken,
    plant_rows,
)
from ml_assets.core.change.faults.search import data_faults
from ml_assets.core.change.identification import identify
from ml_assets.core.change.naming import name_change
from ml_assets.core.change.parameters import compare
from ml_assets.core.window import Window
from ml_assets.defs.plant.physics import RigPhysics
from ml_assets.plant import Plant, scenario_named

WEAR = ("spring_fatigue", "friction_step", "weak_actuator", "sensor_bias")
LOOK = 2 * DAY


def share(hits, of):
    low, high = binomtest(hits, of).proportion_ci(method="exact")
    return f"{hits}/{of} = {hits / of:.3f} [{low:.3f}, {high:.3f}]"


def estimated(grey_box, rows, start=None):
    rows = rows.rename(columns={"next_amplitude_mm": "truth"})
    return identify(grey_box, rows, rows["rig"], start=start)


def parameters(seeds):
    grey_box = RigPhysics()
    named, covered, quiet = {name: Counter() for name in WEAR}, Counter(), Counter()
    for seed in seeds:
        before = estimated(
            grey_box, plant_rows(Plant("quiet", seed=seed), Window(ONSET - 4 * DAY, ONSET))
        )
        for name in ("quiet", *WEAR):
            plant = Plant(name if name == "quiet" else f"{name}@P13D", seed=seed)
            end = (plant.scenario.settled or ONSET + DAY) + DAY
            window = Window(ONSET, end)
            after = estimated(grey_box, plant_rows(plant, window), start=before)
            found = compare(grey_box.parameters, before, after)
            said = found[0].name if found[0].moved else "none"
            if name == "quiet":
                quiet[said] += 1
                continue
            named[name][said] += 1
            asked = plant.scenario.parameter
            right = next(one for one in found if one.name == asked)
            true = (
                plant.truth(window)[asked].mean()
                - plant.truth(Window(ORIGIN, ORIGIN + HOUR))[asked].mean()
            )
            covered[name] += right.low <= true <= right.high
    total = sum(named[name][scenario_named(name).parameter] for name in WEAR)
    print("\nparameter named, one day after the full effect")
    for name in WEAR:
        asked = scenario_named(name).parameter
        print(f"  {name:15} {share(named[name][asked], len(seeds))}  {dict(named[name])}")
        print(f"  {'':15} interval holds the true change: {share(covered[name], len(seeds))}")
    print(f"  all drifts      {share(total, len(WEAR) * len(seeds))}")
    print(f"  quiet, named anyway {share(len(seeds) - quiet['none'], len(seeds))}  {dict(quiet)}")


def kinds(seeds):
    table = Counter()
    for seed in seeds:
        case = PlantCase(seed)
        cases = {name: (case.production(name), "concept") for name in WEAR}
        quiet = case.production("quiet")
        frame = quiet.frame
        hard = (frame["pulse_current_a"] > 3.4) & (frame["load"] == "light")
        often = np.random.default_rng(seed).random(len(frame)) < 0.25
        cases["more of light load and high current"] = (
            quiet.at(np.flatnonzero(hard | often)),
            "covariate",
        )
        cases["quiet"] = (quiet, "cannot_tell")
        for name, (rows, _) in cases.items():
            drifted = ("pulse_current_a", "load") if name.startswith("more") else ()
            seen = rows.at(np.flatnonzero((rows.frame["event_time"] < ONSET + LOOK).to_numpy()))
            asked = replace(case.question(ONSET, ONSET + LOOK, drifted), grey_box=None)
            table[name, name_change(case.before, seen, asked).kind] += 1
    print("\nkind named from two days since the onset, without the physical model")
    said = sorted({kind for _, kind in table})
    print("  " + " " * 38 + "".join(f"{kind:>14}" for kind in said))
    for name in dict.fromkeys(name for name, _ in table):
        print(f"  {name:38}" + "".join(f"{table[name, kind]:14d}" for kind in said))


def faults(seeds):
    right, alarms, looked = Counter(), Counter(), Counter()
    exact, late = Counter(), []
    for seed in seeds:
        case = PlantCase(seed, learn=False)
        for name in ("quiet", *WEAR):
            rows = case.production(name)
            part = rows.at(np.flatnonzero((rows.frame["event_time"] < ONSET + LOOK).to_numpy()))
            alarms[name] += bool(data_faults(case.before, part, seed=seed))
            looked[name] += 1
            if name == "quiet":
                quiet = part
        for name, fault in PLANT_FAULTS.items():
            found = data_faults(case.before, broken(quiet, fault, ONSET + DAY / 2), seed=seed)
            score(name, fault, found, right, exact)
            looked[name] += 1
            late += [abs(one.since - ONSET - DAY / 2) for one in found[:1]]
    told("plant", PLANT_FAULTS, right, exact, looked)
    for name in ("quiet", *WEAR):
        print(f"  called a data fault without one, {name:15} {share(alarms[name], looked[name])}")
    if late:
        print(f"  date of a fault is off by {pd.Series(late).median()} (median)")


def bikes(_):
    right, exact, looked, alarms = Counter(), Counter(), Counter(), 0
    for start in BIKE_STARTS:
        before, since = bike_rows(start)
        alarms += bool(data_faults(before, since, seed=0))
        looked["untouched"] += 1
        for name, fault in BIKES.items():
            moment = start + timedelta(days=4)
            found = data_faults(before, broken(since, fault, moment), seed=0)
            score(name, fault, found, right, exact)
            looked[name] += 1
    told("bike_sharing", BIKES, right, exact, looked)
    print(f"  called a data fault without one  {share(alarms, looked['untouched'])}")


def score(name, fault, found, right, exact):
    hit = [one for one in found if one.kind == fault.kind and set(one.columns) & set(fault.columns)]
    right[name] += bool(found)
    exact[name] += bool(hit)


def told(title, faults, right, exact, looked):
    print(f"\n{title}: a data fault told apart | kind and column right")
    for name in faults:
        print(
            f"  {name:28} {share(right[name], looked[name])} | {share(exact[name], looked[name])}"
        )
    total = sum(looked[name] for name in faults)
    both = [sum(counts[name] for name in faults) for counts in (right, exact)]
    print(f"  {'all':28} {share(both[0], total)} | {share(both[1], total)}")


PARTS = {"parameters": parameters, "kinds": kinds, "faults": faults, "bikes": bikes}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", default=[*PARTS])
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first", type=int, default=0)
    asked = parser.parse_args()
    for name in asked.parts:
        count = asked.seeds if name == "parameters" else -(-asked.seeds // 3)
        began = time.process_time()
        PARTS[name](range(asked.first, asked.first + count))
        print(f"  ({time.process_time() - began:.0f} s of one core)", flush=True)


if __name__ == "__main__":
    main()
