"""What `dg scaffold defs` writes: a problem that loads as it stands, to be changed bit by bit."""

import re
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from ml_assets.core.errors import DeclarationError

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

DEFS = """\
# A problem over the embedded plant: change it piece by piece. To start from a file of your own,
# `ml-assets new NAME --from FILE --target COLUMN` drafts these three files from it.
type: ml_assets.components.MLProblemComponent

attributes:
  name: {name}
  description: Predict the amplitude of a rig's coming cycle from the reading of the last one.
  task: regression  # or binary, multiclass

  source:
    kind: simulator  # or files, address, sql
    table: readings
    scenario: quiet
  time:
    columns: [measured_at]  # several are joined by a space; format is iso unless declared
  partitions:
    every: day  # or hour, week, month
    start: "2026-01-01T00:00:00Z"
  keys: [rig]
  duplicates: {{keep: last}}

  label:
    column: next_amplitude_mm
    delay: PT3H  # the truth is known this long after the event, at the latest
    source:  # leave out where the rows hold the label themselves
      source: {{kind: simulator, table: labels, scenario: quiet}}
      time:
        columns: [measured_at]
        known_at: known_at
  features:
    lookback: PT6H  # the longest history features.sql uses

  evaluation:
    folds: 3
    horizon: P2D
  baselines:
    - {{kind: typical}}
    - {{kind: persistence}}
  candidates:
    - name: boosted
      estimator: sklearn.ensemble.HistGradientBoostingRegressor
      params: {{max_iter: 200, learning_rate: 0.1}}
    - name: ridge
      estimator: sklearn.linear_model.Ridge
      params: {{alpha: 1.0}}
  metrics: [mae, rmse, bias, r2]
  # retraining: {{cron: "0 4 * * 1"}}
"""

CONTRACT = '''\
"""What a reading must look like: a row that breaks a rule is rejected and counted."""

import pandera.pandas as pa
from pandera.typing import Series


class {row}(pa.DataFrameModel):
    """One observed cycle of one rig."""

    rig: Series[str] = pa.Field(description="Identifier of the rig.")
    amplitude_mm: Series[float] = pa.Field(
        ge=0, le=200, nullable=True, description="Peak displacement of the observed cycle, mm."
    )
    pulse_current_a: Series[float] = pa.Field(
        ge=0, le=20, nullable=True, description="Current commanded for the coming cycle, A."
    )
    pulse_s: Series[float] = pa.Field(
        ge=0, le=2, nullable=True, description="Length of the coming pulse, s."
    )
'''

FEATURES = """\
-- One row for each validated row: its keys, its event time, its features. The view
-- validated_data holds the contract's columns; the view labels holds past labels and the moment
-- known_at from which each was known.
SELECT
    r.rig,
    r.event_time,

    -- the reading
    r.amplitude_mm,
    r.pulse_current_a,
    r.pulse_s,

    -- its recent past: a window that ends with the row, no longer than features.lookback
    avg(r.amplitude_mm) OVER recent AS amplitude_recent_mm
FROM validated_data AS r
WINDOW recent AS (
    PARTITION BY r.rig ORDER BY r.event_time
    RANGE BETWEEN INTERVAL 6 HOUR PRECEDING AND CURRENT ROW
)
"""


class MLProblemScaffolder(dg.Scaffolder):
    """Writes an example over the simulated plant, with a comment where a choice is to be made."""

    def scaffold(self, request: dg.ScaffoldRequest) -> None:
        """Write the three files of a problem that bears the folder's name.

        Raises:
            DeclarationError: If the name cannot be a problem's, a file is there already, or
                another form than YAML is asked for.
        """
        if request.scaffold_format != "yaml" or request.append:
            message = (
                "A problem is a folder of its own with a defs.yaml: scaffold it with --format yaml "
                "and without --append."
            )
            raise DeclarationError(message)
        write_problem(request.target_path, example(request.target_path.name))


def example(name: str) -> dict[str, str]:
    """Return the example's texts by file name.

    Args:
        name: Name of the problem.
    """
    row = "".join(part.capitalize() for part in checked_name(name).split("_")) + "Row"
    return {
        "defs.yaml": DEFS.format(name=name),
        "contract.py": CONTRACT.format(row=row),
        "features.sql": FEATURES,
    }


def checked_name(name: str) -> str:
    """Return a name that a problem can bear.

    Raises:
        DeclarationError: If it cannot.
    """
    if not NAME.fullmatch(name):
        message = (
            f"{name!r} cannot name a problem: it must start with a small letter and hold small "
            "letters, digits and underscores only, such as air_quality."
        )
        raise DeclarationError(message)
    return name


def write_problem(folder: Path, texts: Mapping[str, str]) -> None:
    """Write a problem's files into a folder that holds none of them.

    Args:
        folder: The problem's folder; it is made if need be.
        texts: Text by file name.

    Raises:
        DeclarationError: If one of the files is there already: nothing is overwritten.
    """
    there = [name for name in texts if (folder / name).exists()]
    if there:
        message = (
            f"{folder} already holds {', '.join(there)}. Nothing was written: choose another name, "
            "or remove the folder first."
        )
        raise DeclarationError(message)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
