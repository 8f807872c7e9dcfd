"""Reference tables: small, joined by key, true at all times."""

import duckdb

from ml_assets.core.errors import DataError
from ml_assets.core.feature_query import quoted
from ml_assets.core.problem import Reference

ATTEMPTS = ("BIGINT", "DOUBLE")


def type_reference(connection: duckdb.DuckDBPyConnection, text: str, reference: Reference) -> str:
    """Return SQL that gives each column of a table of texts the narrowest type that fits it.

    Args:
        connection: Holds the table.
        text: Table whose columns are all text.
        reference: Its declaration.

    Raises:
        DataError: If a key is missing or does not name one row.
    """
    names = [
        name
        for name, *_ in connection.execute(f"DESCRIBE {quoted(text)}").fetchall()
        if not name.startswith("_")
    ]
    missing = [key for key in reference.keys if key not in names]
    if missing:
        message = f"Reference {text!r} has no column {missing}; it has {names}."
        raise DataError(message)
    keys = ", ".join(quoted(key) for key in reference.keys)
    twins = connection.execute(
        f"SELECT {keys}, count(*) FROM {quoted(text)} GROUP BY ALL HAVING count(*) > 1 LIMIT 3"
    ).fetchall()
    if twins:
        message = f"Reference {text!r}: the keys {list(reference.keys)} name several rows: {twins}."
        raise DataError(message)
    columns = [_typed(connection, text, name, fixed=name in reference.keys) for name in names]
    return f"SELECT {', '.join(columns)} FROM {quoted(text)} ORDER BY {keys}"


def _typed(connection: duckdb.DuckDBPyConnection, text: str, name: str, *, fixed: bool) -> str:
    column = quoted(name)
    if not fixed:
        for attempt in ATTEMPTS:
            fits = connection.execute(
                f"SELECT count({column}) > 0 AND count({column}) = "
                f"count(TRY_CAST({column} AS {attempt})) FROM {quoted(text)}"
            ).fetchall()
            if fits[0][0]:
                return f"{column}::{attempt} AS {column}"
    return column
