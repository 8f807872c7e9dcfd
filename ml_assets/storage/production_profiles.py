"""Production profiles: one whylogs file an hour and version, revised when more is known."""

from collections.abc import Iterator

import duckdb
import pandas as pd

from ml_assets.core.histograms import Bins, NumericBins, ValueKind
from ml_assets.core.window import Window, floor
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.production import answered_rows
from ml_assets.storage.profiles import StoredProfile, profile_frame
from ml_assets.storage.versions import reference_of, stored_version
from ml_assets.storage.workspace import Workspace


def profile_window(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    window: Window,
) -> list[StoredProfile]:
    """Profile what every version saw and answered in each hour of a window.

    Where a version was heard, the profile holds that alone; what it said in the shadow is profiled
    where it said nothing else.
    """
    rows = answered_rows(connection, workspace.lake, declared, window)
    return list(_profiles(workspace, declared, rows))


def _profiles(
    workspace: Workspace, declared: DeclaredProblem, rows: pd.DataFrame
) -> Iterator[StoredProfile]:
    problem = declared.problem.name
    for version, answered in rows.groupby("version", sort=True):
        reference = reference_of(workspace, stored_version(workspace, problem, str(version)))
        kinds = {name: value_kind(column.bins) for name, column in reference.columns.items()}
        for hour, part in answered.groupby(answered["event_time"].dt.floor("h"), sort=True):
            heard = part[part["_variant"] != "shadow"]
            shown, variant = (part, "shadow") if heard.empty else (heard, "heard")
            content = profile_frame(
                shown.reset_index(drop=True),
                kinds,
                metadata={"problem": problem, "model_version": str(version), "variant": variant},
                timestamp=floor(hour.to_pydatetime(), "hour"),
            )
            yield workspace.profiles.put(content, problem=problem, version=str(version))


def value_kind(bins: Bins) -> ValueKind:
    """Return what the values of a column are, from what they are counted in."""
    return "float" if isinstance(bins, NumericBins) else "string"
