"""A drafted problem on its way: written, loaded, its rows read and its features computed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from ml_assets.cli.new import check_loads, inferred
from ml_assets.components.scaffolder import write_problem
from ml_assets.core.drafting import draft
from ml_assets.core.feature_query import interval, quoted
from ml_assets.core.feature_rows import run_features
from ml_assets.core.feature_views import ALL_LABELS, ALL_ROWS, show
from ml_assets.core.inference import Asked, Inference
from ml_assets.core.reading import landing_sql, source_columns
from ml_assets.core.time_travel import (
    changes_with_a_longer_past,
    changes_without_the_future,
)
from ml_assets.core.validation import validate_rows
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.sources import open_source

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Drafted:
    """A problem that was inferred, written and loaded again."""

    inference: Inference
    declared: DeclaredProblem
    folder: Path

    def rows(self):
        """Read the file as the system will: valid rows and rejected rows."""
        problem, contract = self.declared.problem, self.declared.contract
        wanted = source_columns(problem.time, contract.contract.names)
        opened = open_source(problem.source, root=self.folder, cache=self.folder, columns=wanted)
        [found] = opened.found()
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            opened.read_file(connection, found, name="landed")
            select = landing_sql(
                "landed",
                time=problem.time,
                partitions=problem.partitions,
                columns=contract.contract.names,
                file=found.digest,
                arrived_at=NOW,
                fallback=problem.partitions.start,
            )
            connection.execute(f"CREATE TABLE raw AS {select}")
            return validate_rows(connection, "raw", problem, contract)

    def connection(self, valid: pa.Table) -> duckdb.DuckDBPyConnection:
        """Return a database with all valid rows and their labels, as features.sql knows them."""
        problem, contract = self.declared.problem, self.declared.contract.contract
        seen = ["event_time", "known_at", *contract.without(*self.declared.hidden).names]
        late = [*problem.identity, problem.label.column, *problem.after_event]
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("valid", valid)
        connection.execute(
            f"CREATE TABLE {ALL_ROWS} AS SELECT {', '.join(map(quoted, seen))} FROM valid"
        )
        connection.execute(
            f"CREATE TABLE {ALL_LABELS} AS SELECT {', '.join(map(quoted, late))}, "
            f"event_time + {interval(problem.label.delay)} AS known_at FROM valid "
            f"WHERE {quoted(problem.label.column)} IS NOT NULL"
        )
        return connection

    def features(self, valid: pa.Table):
        """Compute the features of all valid rows."""
        with self.connection(valid) as connection:
            pace = self.inference.pace
            window = Window(pace.start, pace.last + timedelta(seconds=1))
            show(connection, window, self.declared.history, known_by=window.end)
            query = self.declared.query
            return run_features(connection, query.between(window), identity=query.identity)

    def changes(self, valid: pa.Table, *, moments: int = 2):
        """Take the future away, and lengthen the past, at some moments."""
        times = sorted({time.as_py() for time in valid["event_time"]})
        chosen = [times[(len(times) - 1) * at // moments] for at in range(1, moments + 1)]
        with self.connection(valid) as connection:
            query, history = self.declared.query, self.declared.history
            asked = {"moments": chosen, "history": history}
            return [
                *changes_without_the_future(connection, query, **asked),
                *changes_with_a_longer_past(connection, query, **asked),
            ]


def drafted(folder: Path, file: Path, asked: Asked) -> Drafted:
    """Infer a problem from a file, write its folder and load it."""
    inference = inferred(file, asked, now=NOW)
    texts = draft(inference, name="unseen", path=str(file))
    write_problem(folder / "unseen", texts.files)
    return Drafted(inference, check_loads(texts, folder / "unseen"), folder)
