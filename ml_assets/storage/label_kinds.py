"""What a label of a problem is: its column, and the classes there are."""

import duckdb

from ml_assets.core.contract import Column
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.lake import Lake
from ml_assets.storage.truth_sql import truth_sql


def label_column(declared: DeclaredProblem) -> Column:
    """Return the target's column; where labels come apart the contract need not hold it."""
    name, contract = declared.problem.label.column, declared.contract.contract
    kind = "float" if declared.problem.task == "regression" else "string"
    return contract.by_name.get(name) or Column(name, kind)


def known_classes(lake: Lake, declared: DeclaredProblem) -> tuple[str, ...]:
    """Return the classes as texts: those the contract lists, or else all that were ever seen."""
    if declared.problem.task == "regression":
        return ()
    allowed = label_column(declared).allowed
    if allowed is not None:
        return tuple(_text(value) for value in allowed)
    name = table_name(declared, "labels")
    if not lake.exists(name):
        return ()
    with duckdb.connect() as connection:
        lake.register(connection, name, name="truths")
        found = connection.execute(
            f"SELECT DISTINCT {truth_sql(declared.problem, 'truths')} AS class FROM truths "
            "WHERE class IS NOT NULL ORDER BY class"
        ).fetchall()
    return tuple(row[0] for row in found)


def _text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
