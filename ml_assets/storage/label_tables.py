"""Ground truth, with the moment from which it was known."""

from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from ml_assets.core.contract import Column, Contract
from ml_assets.core.feature_query import interval, literal, quoted
from ml_assets.core.problem import Format, SimulatorSource
from ml_assets.core.reading import duplicates_sql, typed_sql
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.feedback import truths_between
from ml_assets.storage.lake import Lake
from ml_assets.storage.landing import Stream
from ml_assets.storage.placement import date_sql, place

RAW_LABELS = "raw_labels"


@dataclass(frozen=True)
class Labels:
    """Labels of a window.

    Attributes:
        rows: ``_date``, keys, ``event_time``, the target, the after-event columns, ``known_at``
            and ``superseded_at``: when another truth about the same row became known, if one did.
        rejected: Rows of the label source that could not be used, with the rule they broke.
        from_feedback: Rows that callers sent as feedback.
    """

    rows: pa.Table
    rejected: int
    from_feedback: int = 0


def labels_stream(declared: DeclaredProblem) -> Stream | None:
    """Return the stream of labels, if they have a source of their own."""
    label = declared.problem.label
    if label.source is None:
        return None
    columns = (*declared.problem.keys, label.column)
    return Stream(RAW_LABELS, label.source.source, label.source.time, columns)


def labels_of(
    connection: duckdb.DuckDBPyConnection, lake: Lake, declared: DeclaredProblem, window: Window
) -> Labels:
    """Return the labels of all events in ``window``: those of their source, and feedback."""
    declared_labels = _of_source(connection, lake, declared, window)
    return _with_feedback(connection, lake, declared, window, declared_labels)


def known_by(labels: str, moment: datetime) -> str:
    """Return SQL for the labels as they were known at a moment: at most one for each row.

    Args:
        labels: Name of a view of the labels.
        moment: Nothing that became known later is seen, and no later correction either.
    """
    at = literal(moment)
    return (
        f"(SELECT * FROM {quoted(labels)} WHERE known_at <= {at} "
        f"AND (superseded_at IS NULL OR superseded_at > {at}))"
    )


def _of_source(
    connection: duckdb.DuckDBPyConnection, lake: Lake, declared: DeclaredProblem, window: Window
) -> Labels:
    stream = labels_stream(declared)
    if stream is not None:
        return _from_own_source(connection, lake, declared, stream, window)
    problem = declared.problem
    lake.register(connection, table_name(declared, "validated_data"), name="rows")
    columns = [*problem.identity, problem.label.column, *problem.after_event]
    chosen = ", ".join(quoted(name) for name in columns)
    # A row that came later than its label was due, such as a correction, brings its label then.
    known = f"greatest(event_time + {interval(problem.label.delay)}, known_at)"
    rows = connection.sql(
        f"SELECT _date, {chosen}, {known} AS known_at "
        f"FROM rows WHERE {place(problem, window).where} "
        f"AND {quoted(problem.label.column)} IS NOT NULL ORDER BY event_time"
    ).to_arrow_table()
    return Labels(rows, 0)


def _with_feedback(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    declared: DeclaredProblem,
    window: Window,
    found: Labels,
) -> Labels:
    """Add feedback to labels, and say of each when another truth took its place."""
    problem = declared.problem
    truths_between(connection, lake, declared, window)
    connection.register("declared_labels", found.rows)
    identity = ", ".join(quoted(name) for name in problem.identity)
    # What else is known after the event is not sent as feedback: it stays what the rows say.
    late = "".join(f", d.{quoted(name)}" for name in problem.after_event)
    rows = connection.sql(
        f"""
        SELECT * EXCLUDE (_from_feedback), lead(known_at) OVER (
            PARTITION BY {identity} ORDER BY known_at, _from_feedback
        ) AS superseded_at
        FROM (
            SELECT *, false AS _from_feedback FROM declared_labels
            UNION ALL BY NAME
            SELECT {date_sql(problem)} AS _date, t.*{late}, true AS _from_feedback
            FROM truths AS t LEFT JOIN declared_labels AS d USING ({identity})
            WHERE t.{quoted(problem.label.column)} IS NOT NULL
        )
        ORDER BY event_time, known_at
        """
    ).to_arrow_table()
    connection.unregister("declared_labels")
    return Labels(rows, found.rejected, len(rows) - len(found.rows))


def _from_own_source(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    declared: DeclaredProblem,
    stream: Stream,
    window: Window,
) -> Labels:
    problem = declared.problem
    lake.register(connection, table_name(declared, RAW_LABELS), name="raw_labels_all")
    where = place(problem, window, moment="_time").where
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW raw_labels_window AS "
        f"SELECT * FROM raw_labels_all WHERE {where}"
    )
    source = stream.source
    select = typed_sql(
        "raw_labels_window",
        time=stream.time,
        partitions=problem.partitions,
        contract=_label_contract(declared),
        format=Format() if isinstance(source, SimulatorSource) else source.format,
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE typed_labels AS {select}")
    target = quoted(problem.label.column)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE usable_labels AS SELECT * FROM typed_labels "
        f"WHERE _rule IS NULL AND {target} IS NOT NULL"
    )
    known = "known_at" if stream.time.known_at else f"event_time + {interval(problem.label.delay)}"
    twins = duplicates_sql("usable_labels", identity=problem.identity, keep=problem.duplicates.keep)
    keys = "".join(f"{quoted(key)}, " for key in problem.keys)
    rows = connection.sql(
        f"SELECT _date, {keys}event_time, {target}, {known} AS known_at FROM usable_labels "
        f"ANTI JOIN ({twins}) AS twins USING (_number) ORDER BY event_time"
    ).to_arrow_table()
    read = connection.execute("SELECT count(*) FROM typed_labels").fetchall()[0][0]
    return Labels(rows, read - len(rows))


def _label_contract(declared: DeclaredProblem) -> Contract:
    """Return the columns of the label source: the keys as the rows have them, and the target."""
    problem, contract = declared.problem, declared.contract.contract
    kind = "float" if problem.task == "regression" else "string"
    target = Column(problem.label.column, kind, nullable=True)
    return Contract((*(contract.column(key) for key in problem.keys), target))
