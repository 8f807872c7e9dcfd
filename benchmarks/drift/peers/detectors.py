"""What other detectors say of the same rows, at their defaults. Runs in the peers' environment.

Prints one JSON object: for each detector its alarms in windows without a change, and for each
change whether it alarmed in the first two windows after it. An alarm is any column of the twenty.
"""

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ |= {"WHYLOGS_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
warnings.simplefilter("ignore")

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
import streams

Judge = Callable[[pd.DataFrame, Sequence[pd.DataFrame]], list[bool]]


def whylogs(training: pd.DataFrame, windows: Sequence[pd.DataFrame]) -> list[bool]:
    np.unicode_ = np.str_  # whylogs 1.6 asks for an alias that numpy 2 removed
    import whylogs as why
    from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

    known = why.log(training).view()

    def drifted(window):
        scores = calculate_drift_scores(why.log(window).view(), known, with_thresholds=True)
        return any(s and s["drift_category"] == "DRIFT" for s in scores.values())

    return [drifted(window.reset_index(drop=True)) for window in windows]


def _evidently(training: pd.DataFrame, windows: Sequence[pd.DataFrame]) -> list[tuple[int, bool]]:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    names = list(training)
    definition = DataDefinition(
        numerical_columns=[name for name in names if "levels" not in name],
        categorical_columns=[name for name in names if "levels" in name],
    )
    known = Dataset.from_pandas(training, data_definition=definition)
    found = []
    for window in windows:
        now = Dataset.from_pandas(window.reset_index(drop=True), data_definition=definition)
        report = Report([DataDriftPreset()]).run(now, known).dict()
        counted = next(m for m in report["metrics"] if "DriftedColumnsCount" in str(m))
        count, share = counted["value"]["count"], counted["value"]["share"]
        found.append((int(count), share >= 0.5))
    return found


def evidently_any(training, windows):
    return [count > 0 for count, _ in _evidently(training, windows)]


def evidently_dataset(training, windows):
    return [drifted for _, drifted in _evidently(training, windows)]


def nannyml(training: pd.DataFrame, windows: Sequence[pd.DataFrame]) -> list[bool]:
    import nannyml as nml

    rows = len(windows[0])
    calculator = nml.UnivariateDriftCalculator(column_names=list(training), chunk_size=rows)
    calculator.fit(training)
    result = calculator.calculate(pd.concat(windows).reset_index(drop=True))
    frame = result.filter(period="analysis").to_df()
    alerts = frame.loc[:, [column for column in frame if column[-1] == "alert"]]
    return alerts.any(axis=1).tolist()


def river_adwin(training: pd.DataFrame, windows: Sequence[pd.DataFrame]) -> list[bool]:
    from river.drift import ADWIN

    numeric = [name for name in training if "levels" not in name]
    detectors = {name: ADWIN() for name in numeric}

    def fed(window):
        alarmed = False
        for name, detector in detectors.items():
            for value in window[name].to_numpy():
                if not np.isnan(value):
                    detector.update(value)
                    alarmed |= detector.drift_detected
        return alarmed

    fed(training)
    return [fed(window) for window in windows]


DETECTORS: dict[str, tuple[Judge, int, int]] = {  # windows a stream, streams of each change
    "whylogs": (whylogs, 20, 2),
    "Evidently, any column": (evidently_any, 3, 1),
    "Evidently, half the columns": (evidently_dataset, 3, 1),
    "NannyML": (nannyml, 60, 4),
    "River, ADWIN on numbers": (river_adwin, 60, 4),
}


def measured(judge: Judge, options: argparse.Namespace, *, windows: int, changed: int) -> dict:
    setting = {"rho": options.rho, "rows": options.rows, "chunks": options.chunks}
    alarms = []
    for seed in range(options.seed, options.seed + options.streams):
        alarms += judge(*streams.split_stream(**setting, seed=seed, windows=windows))
    soon = {}
    for name in options.changes:
        found = []
        for seed in range(options.seed + 5000, options.seed + 5000 + changed):
            change = streams.CHANGES[name][1]
            training, after = streams.split_stream(
                **setting, seed=seed, windows=2, change=change, before=0
            )
            found.append(any(judge(training, after)))
        soon[name] = [sum(found), len(found)]
    return {"alarms": int(sum(alarms)), "windows": len(alarms), "soon": soon}


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--rows", "--chunks", "--streams", "--seed"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--rho", type=float, required=True)
    parser.add_argument("--changes", nargs="*", default=[])
    options = parser.parse_args()
    for name, (judge, windows, changed) in DETECTORS.items():
        began = time.perf_counter()
        try:
            found = measured(judge, options, windows=windows, changed=changed)
        except ImportError as error:
            found = {"absent": f"{type(error).__name__}: {error}"}
        found["seconds"] = round(time.perf_counter() - began, 1)
        print(json.dumps({"detector": name, **found}), flush=True)


if __name__ == "__main__":
    main()
