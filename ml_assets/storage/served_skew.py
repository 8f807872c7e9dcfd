"""The prediction log, replayed through the batch path and compared with what was served."""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import duckdb
import pandas as pd

from ml_assets.core.errors import ArtefactError, FeatureSqlError
from ml_assets.core.feature_query import literal, quoted
from ml_assets.core.release import RELEASE_FILE, Release, verify_manifest
from ml_assets.core.replay import ARRIVAL, Replay
from ml_assets.core.skew import SkewReport
from ml_assets.core.skew_comparison import compare
from ml_assets.core.window import Window
from ml_assets.storage.logged_requests import LINES, Served, hold_lines, typed_rows
from ml_assets.storage.workspace import Workspace

CLAIMS = "claimed_rows"
Files = Mapping[str, bytes]


def replay_log(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    problem: str,
    window: Window,
    *,
    rows: str | None = None,
) -> SkewReport:
    """Compute what was served in a window once more, and compare it to the bit.

    Args:
        connection: Computes.
        workspace: Holds the prediction log and the releases.
        problem: Name of the problem.
        window: Event times of the rows.
        rows: View of the rows to compare: the columns of the table ``prediction_log``. By default
            the lines of the prediction log themselves.
    """
    releases = {
        version: release_of(workspace, problem, version)
        for version in _versions(workspace.spool, problem)
    }
    reaches = [_release(files).reach.rows for files in releases.values() if isinstance(files, dict)]
    hold_lines(
        connection,
        workspace.spool,
        problem,
        window,
        reach=max(reaches, default=timedelta(0)),
    )
    _hold_claims(connection, window, rows)
    served = connection.execute(
        f"SELECT DISTINCT revision, version FROM {CLAIMS} ORDER BY ALL"
    ).fetchall()
    return SkewReport.joined(
        _of_version(connection, Served(revision, version), releases.get(version, "no release"))
        for revision, version in served
    )


def release_of(workspace: Workspace, problem: str, version: str) -> dict[str, bytes] | str:
    """Return the verified files of a version's release, or why they are not there."""
    entries = [one for one in workspace.ledger.entries(problem) if one.version == version]
    releases = [one.details["release"] for one in entries if "release" in one.details]
    if not releases:
        return f"the ledger names no release of version {version}"
    try:
        files = workspace.artefacts.read_all(releases[-1])
        verify_manifest(files, digest=releases[-1])
    except ArtefactError:
        return f"the release of version {version} is gone or damaged"
    return files


def _release(files: Files) -> Release:
    return Release.from_json(json.loads(files[RELEASE_FILE]))


def _versions(spool: Path, problem: str) -> list[str]:
    return sorted(path.name for path in (spool / problem).glob("*") if path.is_dir())


def _hold_claims(connection: duckdb.DuckDBPyConnection, window: Window, rows: str | None) -> None:
    """Create the table of the rows to compare, each with its place in the log."""
    source = quoted(rows) if rows else LINES
    # What the model itself said: an intervention makes something else of it.
    prediction = "c.raw_prediction" if rows else "coalesce(c.raw, c.prediction) ->> '$'"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {CLAIMS} AS
        SELECT c.request_id, c."row", c."at", c.version, c.revision, c.event_time,
               c.features::JSON AS features, ({prediction})::VARCHAR AS prediction,
               l._arrival, l._clock
        FROM {source} AS c
        LEFT JOIN {LINES} AS l
        ON c.request_id = l.request_id AND c."row" = l."row" AND c."at" = l."at"
           AND c.version = l.version
        WHERE c.event_time >= {literal(window.start)} AND c.event_time < {literal(window.end)}
        """
    )


def _of_version(
    connection: duckdb.DuckDBPyConnection, served: Served, files: Files | str
) -> SkewReport:
    mine = f"revision = {served.revision} AND version = {_text(served.version)}"
    ((rows,),) = connection.execute(f"SELECT count(*) FROM {CLAIMS} WHERE {mine}").fetchall()
    if isinstance(files, str):
        return SkewReport().with_rows(rows, {files: rows})
    reasons: Counter[str] = Counter()
    with Replay(files) as replay:
        reach = replay.release.reach.rows // timedelta(microseconds=1)
        late = f"epoch_us(event_time) < _clock - {reach}" if reach else "false"
        for condition, reason in (
            ("_arrival IS NULL", "its line is not in the spool any more"),
            (late, "it came later than the server remembers"),
            ("prediction IS NULL", "it was not answered"),
        ):
            ((count,),) = connection.execute(
                f"SELECT count(*) FROM {CLAIMS} WHERE {mine} AND {condition}"
            ).fetchall()
            if count:
                reasons[reason] = count
        wanted = f"{mine} AND _arrival IS NOT NULL AND NOT ({late}) AND prediction IS NOT NULL"
        asked = f"_arrival IN (SELECT _arrival FROM {CLAIMS} WHERE {wanted})"
        logged = typed_rows(connection, replay.contract, served.together, asked=asked)
        ((first,),) = connection.execute(
            f"SELECT coalesce(min(_arrival), 0) FROM {LINES} WHERE {served.together}"
        ).fetchall()
        before = f"NOT ({served.together}) AND _arrival < {first}"
        earlier = typed_rows(connection, replay.contract, before, asked="false")
        try:
            found = replay.features(logged, earlier=earlier)
        except FeatureSqlError:
            # The engine's text is left out, for it may name values of rows.
            failed = rows - sum(reasons.values())
            reasons["features.sql of the release fails in the batch"] = failed
            return SkewReport().with_rows(rows, reasons)
        claims = _claims(connection, wanted, found)
        return compare(claims, found, replay, files).with_rows(rows, reasons)


def _claims(
    connection: duckdb.DuckDBPyConnection, wanted: str, found: pd.DataFrame
) -> pd.DataFrame:
    """Return the rows to compare, with a column ``served.<name>`` for each column of the batch."""
    texts = {str(name): found[name].dtype == object for name in found.columns if name != ARRIVAL}
    kinds = {name: "VARCHAR" if text else "DOUBLE" for name, text in texts.items()}
    structure = json.dumps(kinds).replace("'", "''")
    columns = "".join(f", f.{quoted(name)} AS {quoted('served.' + name)}" for name in kinds)
    return connection.execute(
        f"SELECT * EXCLUDE (f, features){columns} FROM (SELECT *, "
        f"from_json(features, '{structure}') AS f FROM {CLAIMS} WHERE {wanted}) ORDER BY _arrival"
    ).df()


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
